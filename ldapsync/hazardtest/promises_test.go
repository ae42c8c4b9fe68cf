package hazardtest_test

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"go.internal/hybridkit/ldapsync/hazardtest"
)

var update = flag.Bool("update", false, "write the page of promises anew")

// page is the part of package ldapsync's documentation that states what the engine promises.
func page() string {
	var b strings.Builder
	b.WriteString("// # What it promises\n//\n")
	b.WriteString("// Each of these is a case of package hazardtest, by the name in brackets, which runs it on real protocol and shows that\n")
	b.WriteString("// it would notice an engine that breaks the promise.\n")
	for _, g := range []struct {
		outcome hazardtest.Outcome
		intro   string
	}{
		{hazardtest.Refuse, "Refused: there is no plan, or one that Apply refuses until its Trips are accepted. Nothing is written."},
		{hazardtest.Hold, "Held: what is in doubt is left as it is and reported; everything else goes on."},
		{hazardtest.Correct, "Done right, with no write that is not due:"},
	} {
		fmt.Fprintf(&b, "//\n%s//\n", wrap("// ", "// ", g.intro))
		for _, c := range hazardtest.Cases() {
			if c.Outcome == g.outcome {
				b.WriteString(wrap("//   - ", "//     ", fmt.Sprintf("%s. %s. [%s]", upper(c.Hazard), upper(c.Promise), c.Name)))
			}
		}
	}
	b.WriteString("package ldapsync\n")
	return b.String()
}

func upper(s string) string { return strings.ToUpper(s[:1]) + s[1:] }

// wrap breaks a text into lines.
func wrap(first, rest, text string) string {
	var b strings.Builder
	line := first
	for i, word := range strings.Fields(text) {
		if i > 0 && len(line)+1+len(word) > 118 {
			b.WriteString(line + "\n")
			line = rest + word
			continue
		}
		if i > 0 {
			line += " "
		}
		line += word
	}
	return b.String() + line + "\n"
}

// TestPromises: what the documentation promises is what the suite checks.
func TestPromises(t *testing.T) {
	const file = "../promises.go"
	if *update {
		require.NoError(t, os.WriteFile(file, []byte(page()), 0o644))
	}
	got, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Equal(t, page(), string(got), "go test ./ldapsync/hazardtest -run TestPromises -update writes it anew")
}
