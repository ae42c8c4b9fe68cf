package expr_test

import (
	"strings"
	"testing"
	"unicode"

	"go.internal/hybridkit/ldapsync/expr"
)

const benchSource = `ToLower(Join("@", NormalizeDiacritics(StripSpaces(Join(".", [givenName], [sn]))), "ashdown.example"))`

var benchAttrs = expr.Attrs{"givenName": expr.String("Mary Ann"), "sn": expr.String("Fenwick")}

// BenchmarkTypical compares an expression of Microsoft's documentation with the same in Go.
func BenchmarkTypical(b *testing.B) {
	b.Run("expr", func(b *testing.B) {
		p := expr.MustCompile(expr.CloudSync, benchSource)
		env := &expr.Env{Attrs: benchAttrs}
		b.ReportAllocs()
		for b.Loop() {
			if v, err := p.Eval(b.Context(), env); err != nil || v.Text() != "maryann.fenwick@ashdown.example" {
				b.Fatal(v, err)
			}
		}
	})
	b.Run("go", func(b *testing.B) {
		attrs := map[string]string{"givenName": "Mary Ann", "sn": "Fenwick"}
		b.ReportAllocs()
		for b.Loop() {
			if s := byHand(attrs); s != "maryann.fenwick@ashdown.example" {
				b.Fatal(s)
			}
		}
	})
}

func byHand(attrs map[string]string) string {
	var parts []string
	for _, name := range []string{"givenName", "sn"} {
		if v, ok := attrs[name]; ok && v != "" {
			parts = append(parts, v)
		}
	}
	local := strings.ReplaceAll(strings.Join(parts, "."), " ", "")
	if strings.ContainsFunc(local, func(r rune) bool { return r > unicode.MaxASCII }) {
		local = plain.Replace(local)
	}
	return strings.ToLower(local + "@" + "ashdown.example")
}

var plain = strings.NewReplacer("ä", "a", "ö", "o", "ü", "u", "é", "e", "è", "e", "ß", "ss", "ø", "oe", "ł", "l")

// BenchmarkConstant: a constant expression allocates nothing.
func BenchmarkConstant(b *testing.B) {
	p := expr.MustCompile(expr.CloudSync, `Append("staff", ".example")`)
	env := &expr.Env{}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := p.Eval(b.Context(), env); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkSwitch decides among constants.
func BenchmarkSwitch(b *testing.B) {
	p := expr.MustCompile(expr.CloudSync, `Switch([sn], "Europe/London", "Fen", "Europe/Paris", "Fenwick", "Europe/Rome")`)
	env := &expr.Env{Attrs: benchAttrs}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := p.Eval(b.Context(), env); err != nil {
			b.Fatal(err)
		}
	}
}

func TestConstantsDoNotAllocate(t *testing.T) {
	for _, src := range []string{`"text"`, `42`, `Append("staff", ".example")`, `Switch([sn], "a", "Fenwick", "b")`} {
		p := expr.MustCompile(expr.CloudSync, src)
		env := &expr.Env{Attrs: benchAttrs}
		if n := testing.AllocsPerRun(200, func() { _, _ = p.Eval(t.Context(), env) }); n >= 1 {
			t.Errorf("%s: %v allocations", src, n)
		}
	}
}
