"""Parts shared by two lessons on recurrent networks: sequences that require memory, a classical rival, drawings."""
