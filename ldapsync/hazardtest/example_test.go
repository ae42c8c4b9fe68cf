package hazardtest_test

import (
	"fmt"

	"go.internal/hybridkit/ldapsync/hazardtest"
)

// The suite is data: what happens, what must come of it, and why.
func ExampleCases() {
	for _, c := range hazardtest.Cases() {
		if c.Outcome == hazardtest.Refuse && c.Name == "ou-recreated" {
			fmt.Printf("%s: %s; %s\n", c.Outcome, c.Hazard, c.Promise)
		}
	}
	// Output:
	// refuse: the organisational unit is deleted and made again under the same name, with the people anew; another organisational unit is not taken for the old one
}
