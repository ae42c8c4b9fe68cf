package dsreg_test

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"go.internal/hybridkit/dsreg"
	"go.internal/hybridkit/dsreg/dsregtest"
)

func seeds(f *testing.F) {
	for s := dsregtest.Hybrid; s <= dsregtest.DRS; s++ {
		f.Add(dsregtest.New(s).Render(dsregtest.Format{}))
	}
	for d := dsregtest.Indented; d <= dsregtest.Padded; d++ {
		f.Add(waiting().Render(dsregtest.Format{Damage: d}))
	}
	for e := dsregtest.UTF8; e <= dsregtest.CP1252; e++ {
		f.Add(accented().Render(dsregtest.Format{Encoding: e, LineEnd: "\r\n", Cut: 900}))
	}
	f.Add(waiting().Render(dsregtest.Format{Wrap: 80}))
	f.Add(hybrid().Render(dsregtest.Format{Layout: dsregtest.Server2016, LineEnd: "\r"}))
	files, err := filepath.Glob("testdata/labels/*.txt")
	if err != nil || len(files) == 0 {
		f.Fatal("no label fixtures", err)
	}
	for _, name := range files {
		b, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	for _, s := range []string{joinLog, accountLog, "", "| Device State |\r| Device State |\r\rAzureAdJoined:YES", "AzureAdJoined : YES EnterpriseJoined : NO\n" + joinLog + accountLog,
		"| SSO State |\n Server Error Description : x\nTrace ID: 1\n", "+---+---++---| Work Account 99999999999 |\n NgcSet :", "KeySignTest: : KeySignTest: : PASSED", "\xff\xfe|\x00", "\xef\xbb\xbf\x82\x8a", "<br/>&#x41;zureAdJoined : <YES>"} {
		f.Add([]byte(s))
	}
}

// FuzzParse: any input is read or refused without a panic, every line is in
// the model exactly once, the model survives JSON, and every finding rests on rows of the capture.
func FuzzParse(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, in []byte) {
		all, err := dsreg.ParseAll(strings.NewReader(string(in)))
		if err != nil {
			if !errors.Is(err, dsreg.ErrNoCapture) && !errors.Is(err, dsreg.ErrTooLarge) {
				t.Fatal(err)
			}
			return
		}
		lines := map[int]int{}
		lastLine := 0
		for i, st := range all {
			if st.Index != i+1 || st.Several != (len(all) > 1) || st.Kind == 0 {
				t.Fatalf("capture %d: index %d, several %v, kind %v", i, st.Index, st.Several, st.Kind)
			}
			if st.Source.FirstLine < lastLine {
				t.Fatalf("capture %d begins at line %d, the one before at %d", i, st.Source.FirstLine, lastLine)
			}
			lastLine = st.Source.FirstLine
			prev := 0
			for f := range st.Fields() {
				if f.Line < prev {
					t.Fatalf("row %q of line %d after line %d", f.Label, f.Line, prev)
				}
				prev = f.Line
				if f.Line < st.Source.FirstLine || f.Line > st.Source.LastLine {
					t.Fatalf("row %q of line %d is outside lines %d to %d", f.Label, f.Line, st.Source.FirstLine, st.Source.LastLine)
				}
				for n := 1; n < f.Lines; n++ {
					lines[f.Line+n]++
				}
			}
			for x := range st.Texts() {
				for n := range x.Lines {
					if x.Lines > 1 {
						lines[x.Line+n]++
					}
				}
			}
			checkStatus(t, st)
		}
		for line, n := range lines {
			if n > 1 {
				t.Fatalf("line %d is in %d runs", line, n)
			}
		}
	})
}

func checkStatus(t *testing.T, st *dsreg.Status) {
	b, err := json.Marshal(st)
	if err != nil {
		t.Fatal(err)
	}
	var back dsreg.Status
	if err := json.Unmarshal(b, &back); err != nil {
		t.Fatalf("%v in %s", err, b)
	}
	if again, err := json.Marshal(&back); err != nil || string(again) != string(b) {
		t.Fatalf("JSON changed (%v):\n%s\n%s", err, b, again)
	}
	if back.Join() != st.Join() {
		t.Fatal("the join state does not survive JSON")
	}
	d := dsreg.Diagnose(st, dsreg.Expectation{TenantID: dsregtest.TenantID, Join: dsreg.HybridJoined, Trust: dsreg.TrustCloudKerberos, Hello: dsreg.Yes, At: clock})
	if !reflect.DeepEqual(d, dsreg.Diagnose(st, dsreg.Expectation{TenantID: dsregtest.TenantID, Join: dsreg.HybridJoined, Trust: dsreg.TrustCloudKerberos, Hello: dsreg.Yes, At: clock})) {
		t.Fatal("the diagnosis is not deterministic")
	}
	rows := map[dsreg.Field]bool{}
	for f := range st.Fields() {
		rows[f] = true
	}
	for _, f := range d.Findings {
		if f.Cause == "" || f.Remedy == "" || f.Source == "" {
			t.Fatalf("%s lacks cause, remedy or source: %+v", f.ID, f)
		}
		for _, row := range f.Rows {
			if !rows[row] {
				t.Fatalf("%s rests on a row that is not in the capture: %+v", f.ID, row)
			}
		}
	}
	if j := st.JoinDetail(); j.State == dsreg.NotJoined && (!st.Device.AzureAdJoined.No() || !st.Device.DomainJoined.No()) {
		t.Fatal("not joined, from rows that do not say so")
	}
	dsreg.Compare(st, &back, dsreg.Expectation{})
	st.Layout()
	_ = dsreg.NewReport("x", st, d)
}

// FuzzRedact: redaction neither panics nor adds or loses rows, and applied
// twice it is applied once.
func FuzzRedact(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, in []byte) {
		all, err := dsreg.ParseAll(strings.NewReader(string(in)))
		if err != nil {
			return
		}
		var r dsreg.Redactor
		for _, st := range all {
			clean := r.Status(st)
			if clean.Len() != st.Len() || clean.Kind != st.Kind {
				t.Fatalf("%d rows of %v became %d of %v", st.Len(), st.Kind, clean.Len(), clean.Kind)
			}
		}
		if _, err := dsreg.Redact(string(in)); err != nil && !errors.Is(err, dsreg.ErrNoCapture) && !errors.Is(err, dsreg.ErrTooLarge) {
			t.Fatal(err)
		}
	})
}

// FuzzUnmarshal: any JSON is refused or becomes a status that can be used.
func FuzzUnmarshal(f *testing.F) {
	b, err := json.Marshal(mustParse(f, waiting().String()))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Add([]byte(`{"headings":[{"title":"Work Account 2","firstRow":0}],"rows":[{"label":"NgcSet","value":"YES","line":-5,"lines":-9,"key":"Work Account/NgcSet"}]}`))
	f.Add([]byte(`{"rows":[{"section":"log","label":"x"},{"section":"accounts","label":"Account"}]}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		var st dsreg.Status
		if json.Unmarshal(b, &st) != nil {
			return
		}
		d := dsreg.Diagnose(&st, dsreg.Expectation{})
		_ = dsreg.NewReport("x", &st, d)
		if _, err := json.Marshal(&st); err != nil {
			t.Fatal(err)
		}
		_ = st.WriteText(new(strings.Builder))
	})
}

// FuzzCode: what ParseCode reads it reads again from every form.
func FuzzCode(f *testing.F) {
	for _, s := range []string{"0x801c03f2", "-2145647630", "2149319666", "0x0", "x"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		c, err := dsreg.ParseCode(s)
		if err != nil {
			return
		}
		if again, err := dsreg.ParseCode(c.String()); err != nil || again != c {
			t.Fatalf("%q is %v, which reads as %v, %v", s, c, again, err)
		}
		if e := dsreg.Explain(c); e.Code != c || e.Family == "" {
			t.Fatalf("%v: %+v", c, e)
		}
	})
}

func mustParse(tb testing.TB, s string) *dsreg.Status {
	tb.Helper()
	st, err := dsreg.ParseString(s)
	if err != nil {
		tb.Fatal(err)
	}
	return st
}
