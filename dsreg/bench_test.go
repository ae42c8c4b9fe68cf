package dsreg_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"testing"

	"go.internal/hybridkit/dsreg"
	"go.internal/hybridkit/dsreg/dsregtest"
)

// full is a full capture of about 5.5 kB.
func full() string {
	return dsregtest.New(dsregtest.Hybrid).Preface("PS C:\\Users\\r.okafor> dsregcmd /status", "").String()
}

// repeat yields s n times without holding the copies.
type repeat struct {
	s    string
	n, i int
}

func (r *repeat) Read(p []byte) (int, error) {
	if r.n == 0 {
		return 0, io.EOF
	}
	n := copy(p, r.s[r.i:])
	if r.i += n; r.i == len(r.s) {
		r.i = 0
		r.n--
	}
	return n, nil
}

// BenchmarkParse measures a full capture beside the plain reading of its lines.
func BenchmarkParse(b *testing.B) {
	one := full()
	size := fmt.Sprintf("%.1fkB", float64(len(one))/1000)
	b.Run("capture/"+size, func(b *testing.B) {
		b.SetBytes(int64(len(one)))
		b.ReportAllocs()
		for b.Loop() {
			if _, err := dsreg.ParseString(one); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("reader/"+size, func(b *testing.B) {
		b.SetBytes(int64(len(one)))
		b.ReportAllocs()
		for b.Loop() {
			if _, err := dsreg.Parse(strings.NewReader(one)); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("utf16/"+size, func(b *testing.B) {
		wide := string(dsregtest.New(dsregtest.Hybrid).Render(dsregtest.Format{Encoding: dsregtest.UTF16LEBOM, LineEnd: "\r\n"}))
		b.SetBytes(int64(len(wide)))
		b.ReportAllocs()
		for b.Loop() {
			if _, err := dsreg.Parse(strings.NewReader(wide)); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("linesplit/"+size, func(b *testing.B) {
		b.SetBytes(int64(len(one)))
		b.ReportAllocs()
		for b.Loop() {
			if n := splitLines(b, strings.NewReader(one)); n < 90 {
				b.Fatal(n)
			}
		}
	})
	const total = 100_000_000
	n := total / len(one)
	b.Run("concatenation/100MB", func(b *testing.B) {
		b.SetBytes(int64(n * len(one)))
		b.ReportAllocs()
		for b.Loop() {
			got := 0
			for st, err := range dsreg.Decode(&repeat{s: one, n: n}) {
				if err != nil {
					b.Fatal(err)
				}
				if st.Join() == dsreg.HybridJoined {
					got++
				}
			}
			if got != n {
				b.Fatalf("%d of %d", got, n)
			}
		}
	})
	b.Run("linesplit/100MB", func(b *testing.B) {
		b.SetBytes(int64(n * len(one)))
		b.ReportAllocs()
		for b.Loop() {
			splitLines(b, &repeat{s: one, n: n})
		}
	})
}

// splitLines is what any reader of lines does first: a string for each line.
func splitLines(b *testing.B, r io.Reader) (n int) {
	sc := bufio.NewScanner(r)
	for sc.Scan() {
		n += min(len(sc.Text()), 1)
	}
	if sc.Err() != nil {
		b.Fatal(sc.Err())
	}
	return n
}

func BenchmarkDiagnose(b *testing.B) {
	for name, r := range map[string]*dsregtest.Report{"healthy": hybrid(), "pending": waiting(), "broken": attempt(noToken(), "AcquirePrtDiagnostics", "0xc000006d", dsregtest.UPN, "invalid_grant", "AADSTS50126: x")} {
		st := mustParse(b, r.String())
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				dsreg.Diagnose(st, at(0))
			}
		})
	}
	one := full()
	const total = 100_000_000
	n := total / len(one)
	b.Run("fleet/100MB", func(b *testing.B) {
		b.SetBytes(int64(n * len(one)))
		b.ReportAllocs()
		for b.Loop() {
			var f dsreg.Fleet
			for st, err := range dsreg.Decode(&repeat{s: one, n: n}) {
				if err != nil {
					b.Fatal(err)
				}
				f.Add("pc", st)
			}
			if f.Summary().Captures != n {
				b.Fatal("captures lost")
			}
		}
	})
}

func BenchmarkJSON(b *testing.B) {
	st := mustParse(b, full())
	b.Run("marshal", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := json.Marshal(st); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkRedact(b *testing.B) {
	one := full()
	b.SetBytes(int64(len(one)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := dsreg.Redact(one); err != nil {
			b.Fatal(err)
		}
	}
}

// hostile are inputs made to make a parser slow: each size must cost its
// share and no more. The names say what they attack.
var hostile = []struct {
	name string
	make func(n int) string
}{
	{"noise", func(n int) string { return strings.Repeat("no row here\n", n/12) }},
	{"one long line", func(n int) string { return "| Device State |\n" + strings.Repeat("x", n) }},
	{"colons", func(n int) string { return "| Device State |\nAzureAdJoined : " + strings.Repeat("a : ", n/4) }},
	{"labels on one line", func(n int) string { return "| Device State |\n" + strings.Repeat("DomainName : x ", n/15) }},
	{"rules", func(n int) string { return strings.Repeat("+---", n/4) }},
	{"rules and labels", func(n int) string { return strings.Repeat("+--- | Device State | AzureAdJoined : NO ", n/41) }},
	{"carriage returns", func(n int) string { return "| Device State |\n" + strings.Repeat("\r", n) }},
	{"CR lines", func(n int) string { return strings.Repeat("a\r", n/2) }},
	{"captures", func(n int) string { return strings.Repeat("| Device State |\nAzureAdJoined:NO\n", n/34) }},
	{"headless captures", func(n int) string { return strings.Repeat("AzureAdJoined:NO\n", n/17) }},
	{"work accounts", func(n int) string { return strings.Repeat("| Work Account 1 |\nNgcSet : NO\n", n/31) }},
	{"unknown rows", func(n int) string { return "| Device State |\n" + strings.Repeat(" a : b\n", n/7) }},
	{"wraps", func(n int) string {
		row := "| Tenant Details |\n   TenantName : " + strings.Repeat("x", 64) + "\n"
		return row + strings.Repeat(strings.Repeat("y", 79)+"\n", n/80)
	}},
	{"server text", func(n int) string {
		return "| SSO State |\n Server Error Description : x\n" + strings.Repeat("Trace ID: 1\n", n/12)
	}},
	{"HTML", func(n int) string { return strings.Repeat("<br/>AzureAdJoined &#58; NO", n/27) }},
	{"angle brackets", func(n int) string { return "<br>" + strings.Repeat("<", n) }},
	{"quotes", func(n int) string { return strings.Repeat(">", n) + "AzureAdJoined : NO" }},
	{"log", func(n int) string {
		return "dsregcmd::wmain logging initialized.\n" + strings.Repeat("AdalLog: x ; HRESULT: 0x0\n", n/26)
	}},
	{"accounts", func(n int) string { return "Call ListAccounts\n" + strings.Repeat("Account: u:1, user: a@b\n", n/24) }},
	{"invalid bytes", func(n int) string {
		return "| Tenant Details |\nTenantName : \xe9\n" + strings.Repeat("\xff\x81\n", n/3)
	}},
	{"blanks", func(n int) string { return "| Device State |\n" + strings.Repeat(" ", n) + "AzureAdJoined : NO\n" }},
	{"UTF-16", func(n int) string { return "\xff\xfe" + strings.Repeat("\x00\xd8", n/2) }},
	{"NULs", func(n int) string { return strings.Repeat("\x00", n) }},
	{"mojibake", func(n int) string { return "| Tenant Details |\n" + strings.Repeat("TenantName : aÚb\n", n/18) }},
}

// BenchmarkHostile shows the time per byte of hostile inputs: it must not
// grow with the size.
func BenchmarkHostile(b *testing.B) {
	for _, h := range hostile {
		for _, mb := range []int{1, 8} {
			in := h.make(mb << 20)
			b.Run(fmt.Sprintf("%s/%dMB", h.name, mb), func(b *testing.B) {
				b.SetBytes(int64(len(in)))
				for b.Loop() {
					for _, err := range dsreg.Decode(strings.NewReader(in)) {
						_ = err
					}
				}
			})
		}
	}
}
