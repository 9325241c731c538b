sweeep
