package main

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"go.internal/hybridkit/ldapsync/adpreflight"
)

var (
	update = flag.Bool("update", false, "write the golden output again")
	remake = flag.Bool("sample", false, "write the embedded directory, SYSVOL and profiles again, with new keys; the next run has them")
)

func readiness(t *testing.T, stdin string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	code = run(t.Context(), args, strings.NewReader(stdin), &out, &errs)
	return code, out.String(), errs.String()
}

// fingerprints differ in every run: the certification authority of the demo has new keys each time.
var fingerprints = regexp.MustCompile(`\(([0-9a-f]{16})\)`)

func TestDemo(t *testing.T) {
	if *remake {
		writeSample(t)
	}
	code, out, errs := readiness(t, "", "demo")
	require.Equal(t, exitNot, code, errs)
	require.Empty(t, errs)
	out = fingerprints.ReplaceAllString(out, "(fingerprint)")
	golden := filepath.Join("testdata", "demo.golden")
	if *update {
		require.NoError(t, os.WriteFile(golden, []byte(out), 0o666))
	}
	want, err := os.ReadFile(golden)
	require.NoError(t, err)
	require.Equal(t, string(want), out)
}

func TestDemoJSON(t *testing.T) {
	code, out, errs := readiness(t, "", "-json", "demo")
	require.Equal(t, exitNot, code, errs)
	var doc struct {
		Organisation string
		Ready        bool
		Next         string
		adpreflight.Report
	}
	require.NoError(t, json.Unmarshal([]byte(out), &doc))
	require.Equal(t, "Ashdown Vale", doc.Organisation)
	require.False(t, doc.Ready)
	require.Equal(t, doc.Next, doc.Checks[0].ID, "the first is the thing to do next")
	require.Equal(t, adpreflight.Fail, doc.Checks[0].State)
	ids := map[string]bool{}
	for _, c := range doc.Checks {
		require.NotEmpty(t, c.Title, c.ID)
		require.NotEmpty(t, c.Evidence, c.ID)
		require.NotEmpty(t, c.Source, c.ID)
		if c.State == adpreflight.Fail || c.State == adpreflight.Warning {
			require.NotEmpty(t, c.Remedy, c.ID)
		}
		require.False(t, ids[c.ID], c.ID)
		ids[c.ID] = true
	}
}

func TestMerged(t *testing.T) {
	var all []adpreflight.Check
	for i := range 25 {
		all = append(all, adpreflight.Check{Title: "profile", State: adpreflight.Warning, Evidence: strings.Repeat("x", i+1)})
	}
	all[3].State, all[3].Evidence = adpreflight.Fail, "two\nlines"
	c := merged("a.b", "title", all)
	require.Equal(t, adpreflight.Fail, c.State)
	require.Equal(t, "two lines", c.Evidence)
	require.Len(t, c.Details, 10)
	require.Equal(t, "and 15 more", c.Details[9])
	require.Equal(t, "profile: warning: x", c.Details[0])
	require.Empty(t, merged("a", "b", all[:1]).Details)
}
