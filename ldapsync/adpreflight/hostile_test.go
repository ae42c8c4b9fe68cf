package adpreflight_test

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"go.internal/hybridkit/ldapsync/adpreflight"
)

// A recording is what a Directory answered, to be answered again with one value replaced.
type recording struct {
	from    adpreflight.Directory // nil: answers again
	answers map[string][]answer
	errs    map[string]error

	at    int // which of all values is replaced, counted in the order of answers
	value string
	drop  bool // the attribute is left out instead
	n     int
}

type answer struct {
	dn    string
	attrs map[string][]string
}

func (r *recording) Search(ctx context.Context, base string, scope int, filter string, attrs []string, each func(string, map[string][]string) error) error {
	key := fmt.Sprint(base, "\x00", scope, "\x00", filter)
	if r.from != nil {
		r.errs[key] = r.from.Search(ctx, base, scope, filter, attrs, func(dn string, a map[string][]string) error {
			r.answers[key] = append(r.answers[key], answer{dn, maps.Clone(a)}) // the caller may delete from a
			return each(dn, a)
		})
		return r.errs[key]
	}
	for _, a := range r.answers[key] {
		out := map[string][]string{}
		for _, name := range slices.Sorted(maps.Keys(a.attrs)) {
			values := a.attrs[name]
			if r.n++; r.n == r.at {
				if values = []string{r.value}; r.drop {
					continue
				}
			}
			out[name] = values
		}
		if err := each(a.dn, out); err != nil {
			return err
		}
	}
	return r.errs[key]
}

// FuzzHostileDirectory: whatever a directory says, the report comes, complete and on lines of its own.
func FuzzHostileDirectory(f *testing.F) {
	e := newEstate(f)
	tape := &recording{from: e.cfg.Directory, answers: map[string][]answer{}, errs: map[string]error{}}
	e.cfg.Directory = tape
	want := e.run(f)
	for i, v := range []string{"", "\x00\x01", strings.Repeat("A", 5000), "two\nlines", "\xff\xfe", "-9223372036854775808", "CN=x,DC=y"} {
		f.Add(uint16(i*7+1), v, false)
		f.Add(uint16(i*11+3), v, true)
	}
	cfg := e.cfg
	cfg.Network = nil
	f.Fuzz(func(t *testing.T, at uint16, value string, drop bool) {
		cfg := cfg
		cfg.Directory = &recording{answers: tape.answers, errs: tape.errs, at: int(at), value: value, drop: drop}
		r, err := adpreflight.Run(t.Context(), cfg)
		require.NoError(t, err)
		require.Len(t, r.Checks, len(want.Checks))
		for i, c := range r.Checks {
			require.Equal(t, want.Checks[i].ID, c.ID)
			require.NotEmpty(t, c.Evidence, c.ID)
			for _, text := range append(c.Details, c.Title, c.Evidence, c.Remedy, c.Source) {
				require.NotContains(t, text, "\n")
				require.LessOrEqual(t, len(text), 500)
			}
			require.LessOrEqual(t, len(c.Details), 10)
		}
	})
}
