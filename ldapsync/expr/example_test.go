package expr_test

import (
	"context"
	"fmt"
	"os"
	"strings"
	"text/tabwriter"

	"go.internal/hybridkit/ldapsync/expr"
)

// A mapping of Cloud Sync, run on one user.
func Example() {
	p := expr.MustCompile(expr.CloudSync,
		`ToLower(Join("@", NormalizeDiacritics(StripSpaces(Join(".", [givenName], [sn]))), "ashdown.example"))`)
	v, err := p.Eval(context.Background(), &expr.Env{Attrs: expr.Attrs{
		"givenName": expr.String("Zoë Marie"),
		"sn":        expr.String("Łęcka"),
	}})
	fmt.Println(v, err)
	// Output: "zoemarie.lecka@ashdown.example" <nil>
}

// The device rule of Entra Connect keeps the certificates that are valid at the time the caller names.
func ExampleEnv() {
	e, err := expr.Parse(expr.Connect, `With($c, Where($i, [userCertificate], CertNotAfter($i) > Now()), IIF(Count($c) > 0, $c, NULL))`)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(e.Attributes(), e.Deterministic())
	// Output: [userCertificate] false
}

// Mistakes come with their column and what to write instead.
func ExampleCompile() {
	e, _ := expr.Parse(expr.CloudSync, `Append(LCase([cn]), Lef([sn], 1))`)
	_, err := expr.Compile(e, expr.Options{})
	fmt.Println(err)
	// Output:
	// expr: column 8: LCase is a function of the Entra Connect dialect, not of Cloud Sync (use ToLower), at "LCase([cn]), Lef([sn], 1))"
	// expr: column 21: unknown function Lef (did you mean Left?), at "Lef([sn], 1))"
}

// Every value on the way to the result.
func ExampleProgram_Explain() {
	p := expr.MustCompile(expr.CloudSync, `Append(Left([givenName], 1), [sn])`)
	steps, _, _ := p.Explain(context.Background(), &expr.Env{Attrs: expr.Attrs{
		"givenName": expr.String("Ann"), "sn": expr.String("Fenwick")}})
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 1, ' ', 0)
	for _, s := range steps {
		fmt.Fprintf(w, "%s%s\t= %v\n", strings.Repeat("  ", s.Depth), s.Text, s.Value)
	}
	w.Flush()
	// Output:
	//     [givenName]                    = "Ann"
	//     1                              = 1
	//   Left([givenName], 1)             = "A"
	//   [sn]                             = "Fenwick"
	// Append(Left([givenName], 1), [sn]) = "AFenwick"
}

// What is valid and will hurt.
func ExampleLint() {
	e, _ := expr.Parse(expr.CloudSync, `IIF([departmnt] = "IT", "Technik", Guid())`)
	for _, f := range expr.Lint(e, expr.LintOptions{Schema: expr.ADSchema()}) {
		fmt.Println(f)
	}
	// Output:
	// 1:1: fault [iif-null] where [departmnt] is null or empty the condition fails and IIF gives its third argument; test for "" with Switch: Switch([a], [a], "", "default")
	// 1:5: warning [attribute-unknown] unknown attribute; did you mean [department]?; correct the name, or add it to the schema
	// 1:36: warning [nondeterministic] Guid gives another value in each cycle, so every cycle writes the target again; apply the mapping only during object creation
}
