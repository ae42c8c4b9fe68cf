package expr_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"math/big"
	mathrand "math/rand/v2"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/tools/txtar"

	"go.internal/hybridkit/ldapsync/expr"
)

// A golden is one example of a page. Its file in the archive holds lines of
//
//	expr: the expression; lines that begin with a tab go on
//	attr NAME: value     once per value; a value in quotes is Go's
//	imported NAME: value
//	param NAME: value
//	cert NAME: date      a value that is a certificate valid until then
//	now: time
//	taken: value         what the target already has
//	note: what is odd about it
//	want: Value.String   or match: a regular expression, or error: a part of the message
type golden struct {
	id, src, note      string
	want, match, fails string
	env                expr.Env
	taken              []string
	attrs, imported    map[string][]string
	binary             map[string][]expr.Value
}

func readGoldens(t testing.TB, file string) []golden {
	ar, err := txtar.ParseFile("testdata/" + file)
	require.NoError(t, err)
	var out []golden
	for _, f := range ar.Files {
		g := golden{id: f.Name, attrs: map[string][]string{}, imported: map[string][]string{}, binary: map[string][]expr.Value{}}
		g.env.Params = map[string]string{}
		last := ""
		for line := range strings.SplitSeq(strings.TrimSuffix(string(f.Data), "\n"), "\n") {
			if rest, ok := strings.CutPrefix(line, "\t"); ok && last == "expr" {
				g.src += "\n" + rest
				continue
			}
			key, val, ok := strings.Cut(line, ": ")
			require.True(t, ok, "%s: %q", f.Name, line)
			if strings.HasPrefix(val, `"`) && key != "want" && key != "expr" {
				val, err = strconv.Unquote(val)
				require.NoError(t, err, f.Name)
			}
			kind, name, _ := strings.Cut(key, " ")
			switch last = key; kind {
			case "expr":
				g.src = val
			case "attr":
				g.attrs[name] = append(g.attrs[name], val)
			case "imported":
				g.imported[name] = append(g.imported[name], val)
			case "param":
				g.env.Params[name] = val
			case "cert":
				g.binary[name] = append(g.binary[name], expr.Binary(string(certUntil(t, val))))
			case "now":
				g.env.Now, err = time.Parse(time.RFC3339, val)
				require.NoError(t, err)
			case "taken":
				g.taken = append(g.taken, val)
			case "note":
				g.note = val
			case "want":
				g.want = val
			case "match":
				g.match = val
			case "error":
				g.fails = val
			default:
				t.Fatalf("%s: unknown key %q", f.Name, key)
			}
		}
		set := func(m map[string][]string) expr.Attrs {
			a := expr.Attrs{}
			for k, v := range m {
				a[k] = expr.Strings(v...)
			}
			return a
		}
		attrs := set(g.attrs)
		for k, v := range g.binary {
			attrs[k] = expr.Multi(v...)
		}
		g.env.Attrs, g.env.Imported = attrs, set(g.imported)
		g.env.Random = mathrand.NewChaCha8([32]byte{1})
		g.env.Unique = func(_ context.Context, q expr.UniqueQuery) (bool, error) {
			return slices.Contains(g.taken, q.Value), nil
		}
		out = append(out, g)
	}
	return out
}

func certUntil(t testing.TB, day string) []byte {
	until, err := time.Parse(time.DateOnly, day)
	require.NoError(t, err)
	return makeCert(t, &x509.Certificate{SerialNumber: big.NewInt(0x1A2B), Subject: pkix.Name{CommonName: "pc-17"}, NotBefore: until.AddDate(-1, 0, 0), NotAfter: until})
}

func makeCert(t testing.TB, tmpl *x509.Certificate) []byte {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, key.Public(), key)
	require.NoError(t, err)
	return der
}

// pages are the archives, and how many examples each must have: a lost one fails.
var pages = []struct {
	file    string
	dialect expr.Dialect
	count   int
}{
	{"provisioning.txtar", expr.CloudSync, 85},
	{"cloudsync.txtar", expr.CloudSync, 37},
	{"connect.txtar", expr.Connect, 67},
	{"declarative.txtar", expr.Connect, 31},
}

// TestMicrosoftExamples runs every example of Microsoft's pages.
func TestMicrosoftExamples(t *testing.T) {
	for _, page := range pages {
		t.Run(strings.TrimSuffix(page.file, ".txtar"), func(t *testing.T) {
			all := readGoldens(t, page.file)
			require.Equal(t, page.count, len(all), "the number of examples")
			seen := map[string]bool{}
			for _, g := range all {
				require.False(t, seen[g.id], "two examples %s", g.id)
				seen[g.id] = true
				t.Run(g.id, func(t *testing.T) { g.check(t, page.dialect) })
			}
		})
	}
}

func (g golden) run(d expr.Dialect) (expr.Value, error) {
	e, err := expr.Parse(d, g.src)
	if err != nil {
		return expr.Value{}, err
	}
	p, err := expr.Compile(e, expr.Options{})
	if err != nil {
		return expr.Value{}, err
	}
	v, err := p.Eval(context.Background(), &g.env)
	if err == nil && e.Deterministic() {
		_, w, err2 := p.Explain(context.Background(), &g.env)
		if err2 != nil || !v.Equal(w) {
			return v, fmt.Errorf("Explain gives %v, %v; Eval %v", w, err2, v)
		}
	}
	return v, err
}

func (g golden) check(t *testing.T, d expr.Dialect) {
	v, err := g.run(d)
	switch {
	case g.fails != "":
		require.ErrorContains(t, err, g.fails)
	case g.match != "":
		require.NoError(t, err)
		require.Regexp(t, regexp.MustCompile(g.match), v.String())
	default:
		require.NoError(t, err)
		require.NotEmpty(t, g.want)
		require.Equal(t, g.want, v.String())
	}
}
