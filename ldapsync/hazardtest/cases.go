package hazardtest

import "slices"

// Cases returns the suite.
func Cases() []Case {
	return slices.Concat(readCases(), rightCases(), moveCases(), identityCases(), deviceCases(), targetCases(), programCases())
}
