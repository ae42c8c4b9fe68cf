package mappingtest

// RunFile is what Run does with each file.
func (c Config) RunFile(file string, update bool) error { return c.runFile(file, update) }

// Updating says whether Run would write.
func Updating() bool { return updating() }
