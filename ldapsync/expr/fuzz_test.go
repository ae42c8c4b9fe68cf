package expr_test

import (
	"context"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"go.internal/hybridkit/ldapsync/expr"
)

func seeds(f *testing.F) {
	for _, page := range pages {
		for _, g := range readGoldens(f, page.file) {
			f.Add(uint8(page.dialect), g.src, "ann", "DC=a\\,b,DC=c")
		}
	}
	for _, s := range []string{`-9223372036854775808 * -1`, `[a] & ([b] & [c])`, `([a] = 1 || [b] = 2) & "x"`, `f(, )`, `"\\\""`, `1 - -1`,
		`Replace([a], , "(a{500}){2}", , [b], , )`, `Replace([a], , [b], , "$1$2${x}$$", , )`, `PadLeft([a], 999999999, "x")`,
		`Select($x, [m], With($y, $x & $x, $y & $y))`, `Mid([a], 9223372036854775807, 9223372036854775807)`, `Left("😀😀", 3)`,
		`DateAdd("yyyy", 9999999999, Now())`, `FormatDateTime([a], "%d", "o")`, `Split([a], [b], 2)`, `CertSubject([a])`} {
		f.Add(uint8(1), s, "2020-01-01", "a*b")
		f.Add(uint8(2), s, "12/31/2020 11:00 PM +1", "0")
	}
}

// FuzzParse: printing and parsing again gives the same text, and so the same tree, and a mistake has a position.
func FuzzParse(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, d uint8, src, _, _ string) {
		dialect := expr.CloudSync + expr.Dialect(d%2)
		e, err := expr.Parse(dialect, src)
		if err != nil {
			return
		}
		text := e.String()
		again, err := expr.Parse(dialect, text)
		require.NoError(t, err, "%q", text)
		require.Equal(t, text, again.String())
		requireSameTree(t, e.Root, again.Root)
		_, err = expr.New(dialect, e.Root)
		if err != nil && len(text) < 60_000 {
			depth := 0
			var deepest func(*expr.Node, int)
			deepest = func(n *expr.Node, at int) {
				depth = max(depth, at)
				for _, a := range n.Args {
					deepest(a, at+1)
				}
			}
			deepest(e.Root, 0)
			require.Greater(t, depth, 99, "%v", err)
		}
		expr.Lint(e, expr.LintOptions{Schema: expr.ADSchema(), GlobalCatalog: true})
	})
}

func requireSameTree(t *testing.T, a, b *expr.Node) {
	require.Equal(t, [4]any{a.Kind, a.Text, a.Num, a.Hex}, [4]any{b.Kind, b.Text, b.Num, b.Hex})
	require.Len(t, b.Args, len(a.Args))
	for i := range a.Args {
		requireSameTree(t, a.Args[i], b.Args[i])
	}
}

// FuzzEval: no expression and no attribute makes an evaluation panic, run long or differ between Eval and
// Explain.
func FuzzEval(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, d uint8, src, a, b string) {
		dialect := expr.CloudSync + expr.Dialect(d%2)
		e, err := expr.Parse(dialect, src)
		if err != nil {
			return
		}
		p, err := expr.Compile(e, expr.Options{OlderReplace: d%4 > 1, Limits: expr.Limits{Steps: 20_000, Bytes: 1 << 20}})
		if err != nil {
			return
		}
		env := func() *expr.Env {
			return &expr.Env{
				Attrs: everything{a, b}, Imported: everything{b, a}, Now: time.Date(2026, 11, 21, 4, 0, 0, 0, time.UTC),
				Params: map[string]string{"Domain.FQDN": "ashdown.example", "Forest.LDAP": b},
				Random: rand.NewChaCha8([32]byte{7}), UniqueAttribute: "mail",
				Unique: func(_ context.Context, q expr.UniqueQuery) (bool, error) { return len(q.Value)%2 == 1, nil },
			}
		}
		start := time.Now()
		v, err := p.Eval(t.Context(), env())
		if took := time.Since(start); took > 5*time.Second {
			t.Fatalf("%v", took)
		}
		_, w, err2 := p.Explain(t.Context(), env())
		require.Equal(t, err == nil, err2 == nil, "%v; %v", err, err2)
		if err == nil {
			require.True(t, v.Equal(w), "%v %v", v, w)
		}
		_ = v.String()
		for _, s := range v.Texts() {
			require.LessOrEqual(t, len(s), 1<<20+len(a)+len(b)+len(src))
		}
	})
}

// everything has a value for each name: one, none or several.
type everything struct{ a, b string }

func (e everything) Lookup(name string) expr.Value {
	switch len(name) % 6 {
	case 0:
		return expr.Value{}
	case 1, 2:
		return expr.String(e.a)
	case 3:
		return expr.Strings(e.a, e.b, e.a)
	case 4:
		return expr.Binary(e.b)
	}
	return expr.Number(int64(len(e.a)))
}
