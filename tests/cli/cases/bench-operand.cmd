bench fast
