"""What the two lessons on recurrent networks share: sequences that ask for memory, their classical rival, drawings."""
