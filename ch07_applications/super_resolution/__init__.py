"""Super-resolution: LapSRN, SRGAN and Deep Image Prior, beside A+."""
