package cmlog_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"time"
	"unicode/utf16"

	"github.com/stretchr/testify/require"

	"go.internal/hybridkit/comgmt/cmlog"
)

func frame(message, clock, date string) string {
	return "<![LOG[" + message + `]LOG]!><time="` + clock + `" date="` + date + `" component="CoManagementHandler" context="" type="1" thread="77" file="vale.cpp:9">`
}

func records(t *testing.T, s string) []cmlog.Record {
	t.Helper()
	var out []cmlog.Record
	for r, err := range cmlog.Read(strings.NewReader(s)) {
		require.NoError(t, err)
		out = append(out, r)
	}
	return out
}

func TestTimes(t *testing.T) {
	for _, c := range []struct{ clock, date, wall, utc, problem string }{
		{"19:33:19.766-330", "11-28-2014", "2014-11-28 19:33:19.766", "2014-11-28T14:03:19.766Z", ""}, // India
		{"07:03:10.647-330", "12-23-2014", "2014-12-23 07:03:10.647", "2014-12-23T01:33:10.647Z", ""},
		{"09:00:00.000-60", "07-04-2025", "2025-07-04 09:00:00", "2025-07-04T08:00:00Z", ""}, // British Summer Time
		{"09:00:00.000-060", "7-4-2025", "2025-07-04 09:00:00", "2025-07-04T08:00:00Z", ""},
		{"23:30:00.000+480", "12-31-2024", "2024-12-31 23:30:00", "2025-01-01T07:30:00Z", ""}, // Pacific
		{"00:10:00.5+000", "1-2-2015", "2015-01-02 00:10:00.500", "2015-01-02T00:10:00.5Z", ""},
		{"00:10:00.000-60", "1-1-2016", "2016-01-01 00:10:00", "2015-12-31T23:10:00Z", ""},
		{"10:11:12.1234567+000", "2-29-2024", "2024-02-29 10:11:12.1234567", "2024-02-29T10:11:12.1234567Z", ""},
		{"10:11:12.1234567", "2-28-2023", "2023-02-28 10:11:12.1234567", "", ""}, // no bias: UTC stays unknown
		{"10:11:12", "2-28-2023", "2023-02-28 10:11:12", "", ""},
		{"10:11:12.123+480", "2-29-2023", "", "", "no such date"},
		{"10:11:12.123+480", "13-01-2023", "", "", "no such date"},
		{"10:11:12.123+480", "28-11-2014", "", "", "no such date"},
		{"24:11:12.123+480", "1-1-2023", "", "", "no such time"},
		{"10:61:12.123+480", "1-1-2023", "", "", "no such time"},
		{"10:11:12.+480", "1-1-2023", "", "", "no such time"},
		{"10:11:12.123+4800", "1-1-2023", "", "", "no such time"},
		{"10:11:12.123*480", "1-1-2023", "", "", "no such time"},
		{"", "", "", "", ""},
	} {
		t.Run(c.date+" "+c.clock, func(t *testing.T) {
			r := records(t, frame("x", c.clock, c.date))[0]
			require.Equal(t, c.wall, r.Wall.String())
			require.Equal(t, c.problem, r.Problem)
			require.Equal(t, c.utc == "", r.Time.IsZero())
			if c.utc != "" {
				require.Equal(t, c.utc, r.Time.Format(time.RFC3339Nano))
			}
		})
	}
}

func TestDatesAgainstStandardLibrary(t *testing.T) {
	var log strings.Builder
	var days []time.Time
	for day := time.Date(1899, 1, 1, 0, 0, 0, 0, time.UTC); day.Year() < 2105; day = day.AddDate(0, 0, 1) {
		days = append(days, day)
		log.WriteString(frame("x", "00:00:00.000+000", day.Format("1-2-2006")) + "\n")
	}
	i := 0
	for r, err := range cmlog.Read(strings.NewReader(log.String())) {
		if err != nil || !r.Time.Equal(days[i]) {
			t.Fatalf("%v read as %v (%v)", days[i], r.Time, err)
		}
		i++
	}
	require.Len(t, days, i)
}

func TestFrames(t *testing.T) {
	const clock, date = "09:00:00.000-60", "07-04-2025"
	for _, c := range []struct {
		name, text string
		want       []string // "format/cut: message"
	}{
		{"two", frame("one", clock, date) + "\r\n" + frame("two", clock, date) + "\r\n", []string{"cmtrace/: one", "cmtrace/: two"}},
		{"no line break between", frame("one", clock, date) + frame("two", clock, date), []string{"cmtrace/: one", "cmtrace/: two"}},
		{"several lines", frame("first\r\n  second\n\nfourth", clock, date) + "\n" + frame("x", clock, date), []string{"cmtrace/: first\r\n  second\n\nfourth", "cmtrace/: x"}},
		{"brackets, quotes, xml", frame(`a]b]]>"c" <d e="f"/> ]LOG]! > {g} <![LOG[ h`, clock, date), []string{`cmtrace/: a]b]]>"c" <d e="f"/> ]LOG]! > {g} <![LOG[ h`}},
		{"frame end without time in the message", frame(`see ]LOG]!><thread here`, clock, date), []string{`cmtrace/: see ]LOG]!><thread here`}},
		{"empty message", frame("", clock, date), []string{"cmtrace/: "}},
		{"begins in the middle", "of a message\nsecond line" + frame("", clock, date)[7:] + "\n" + frame("two", clock, date), []string{"cmtrace/head: of a message\nsecond line", "cmtrace/: two"}},
		{"stops in the middle", frame("one", clock, date) + "\n<![LOG[two is not fin", []string{"cmtrace/: one", "cmtrace/tail: two is not fin"}},
		{"stops inside the end", "<![LOG[two]LOG]!><ti", []string{"cmtrace/tail: two"}},
		{"stops inside the attributes", `<![LOG[two]LOG]!><time="09:00:00.000-60" date="07-04-20`, []string{"cmtrace/tail: two"}},
		{"next record before the end", "<![LOG[lost\n" + frame("two", clock, date), []string{"cmtrace/tail: lost", "cmtrace/: two"}},
		{"plain", "Machine is already enrolled with MDM\r\n\r\nsecond\n", []string{"plain/: Machine is already enrolled with MDM", "plain/: second"}},
		{"plain, then framed", "note\n" + frame("one", clock, date), []string{"plain/: note", "cmtrace/: one"}},
		{"text before a frame on its line", frame("one", clock, date) + "\nnote" + frame("two", clock, date), []string{"cmtrace/: one", "plain/: note", "cmtrace/: two"}},
		{"legacy", "Started  $$<SMS_VALE><07-04-2025 09:00:00.123-60><thread=1234 (0x4D2)>\n", []string{"legacy/: Started"}},
		{"legacy look-alike", "costs $$<much>\n", []string{"plain/: costs $$<much>"}},
		{"copied with spaces", "Workloads flag retrieved 8199     CoManagementHandler     7/4/2025 9:00:00 AM     1234 (0x04D2)", []string{"copy/: Workloads flag retrieved 8199"}},
		{"copied with tabs", "Workloads flag retrieved 8199\tCoManagementHandler\t7/4/2025 9:00:00 PM\t1234 (0x04D2)\r\n", []string{"copy/: Workloads flag retrieved 8199"}},
		{"csv", "Date,Time,Component,Message\n7/4/2025,09:00:00,Vale,\"one, two\"\n7/4/2025,09:00:01,Vale,three\n", []string{"csv/: one, two", "csv/: three"}},
		{"empty", "", nil},
		{"blank", "\r\n\n", nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			var got []string
			for _, r := range records(t, c.text) {
				got = append(got, r.Format.String()+"/"+r.Cut.String()+": "+r.Message)
			}
			require.Equal(t, c.want, got)

			// One byte at a time, and as UTF-16, the same comes out.
			var slow []string
			for r, err := range cmlog.Read(iotest.OneByteReader(strings.NewReader(c.text))) {
				require.NoError(t, err)
				slow = append(slow, r.Format.String()+"/"+r.Cut.String()+": "+r.Message)
			}
			require.Equal(t, c.want, slow)
			var wide []string
			for r, err := range cmlog.Read(bytes.NewReader(utf16LE(c.text))) {
				require.NoError(t, err)
				wide = append(wide, r.Format.String()+"/"+r.Cut.String()+": "+r.Message)
			}
			require.Equal(t, c.want, wide)
		})
	}
}

func utf16LE(s string) []byte {
	out := []byte{0xFF, 0xFE}
	for _, u := range utf16.Encode([]rune(s)) {
		out = append(out, byte(u), byte(u>>8))
	}
	return out
}

func TestFields(t *testing.T) {
	text := "\ufeff" + `<![LOG[a
b]LOG]!><time="09:00:00.000-60" date="07-04-2025" component="Vale" context="S-1-5-18" type="3" thread="5120" file="vale.cpp:100" new="kept">` + "\n" +
		`<![LOG[c]LOG]!><time="09:00:00.000" date="07-04-2025" component="Net" context="" type="0" thread="1" file="">`
	rs := records(t, text)
	require.Len(t, rs, 2)
	a := rs[0]
	require.Equal(t, "Vale", a.Component)
	require.Equal(t, "S-1-5-18", a.Context)
	require.Equal(t, cmlog.Error, a.Severity)
	require.Equal(t, "5120", a.Thread)
	require.Equal(t, "vale.cpp:100", a.File)
	require.Equal(t, -60, a.Bias)
	require.True(t, a.HasBias)
	require.Contains(t, a.Raw, `new="kept"`)
	require.Equal(t, 1, a.Line)
	require.Equal(t, 3, rs[1].Line)
	require.Equal(t, int64(len(a.Raw)+1), rs[1].Offset)
	require.False(t, rs[1].HasBias)
	require.True(t, rs[1].Time.IsZero())
	require.False(t, rs[1].Wall.IsZero())
	require.Equal(t, cmlog.None, rs[1].Severity)

	copied := records(t, "x\tVale\t7/4/2025 12:30:00 AM\t1234 (0x04D2)\nx\tVale\t7/4/2025 12:30:00 PM\t1234 (0x04D2)\nx\tVale\t7/4/2025 13:30:00 PM\t1234 (0x04D2)")
	require.Equal(t, "2025-07-04 00:30:00", copied[0].Wall.String())
	require.Equal(t, "2025-07-04 12:30:00", copied[1].Wall.String())
	require.Equal(t, "hour does not fit PM", copied[2].Problem)
	require.Equal(t, "1234", copied[0].Thread)
	require.True(t, copied[0].Time.IsZero(), "a copied line has no zone")

	legacy := records(t, "Started  $$<SMS_VALE><07-04-2025 09:00:00.123-60><thread=1234 (0x4D2)>")[0]
	require.Equal(t, "SMS_VALE", legacy.Component)
	require.Equal(t, "1234", legacy.Thread)
	require.Equal(t, "2025-07-04T08:00:00.123Z", legacy.Time.Format(time.RFC3339Nano))

	rows := records(t, "DateTime;Component;Message;Severity\n2025-07-04T09:00:00+01:00;Vale;one;Error\n")
	require.Equal(t, "2025-07-04T08:00:00Z", rows[0].Time.Format(time.RFC3339Nano))
	require.Equal(t, -60, rows[0].Bias)
	require.Equal(t, cmlog.Error, rows[0].Severity)
	require.Equal(t, 2, rows[0].Line)
}

func TestLimits(t *testing.T) {
	const limit = 256 << 10
	text := "<![LOG[" + strings.Repeat("x", 5*limit) + frame("", "09:00:00.000-60", "07-04-2025")[7:] + "\n" + frame("after", "09:00:00.000-60", "07-04-2025")
	var cuts []string
	bytes := 0
	for r, err := range (cmlog.Reader{MaxRecord: limit}).Read(strings.NewReader(text)) {
		require.NoError(t, err)
		require.LessOrEqual(t, len(r.Raw), 2*limit)
		cuts = append(cuts, r.Format.String()+"/"+r.Cut.String())
		bytes += len(r.Raw)
	}
	require.Equal(t, len(text)-1, bytes, "nothing is lost but the line break")
	require.Equal(t, "cmtrace/long", cuts[0])
	require.Equal(t, "cmtrace/head", cuts[len(cuts)-2])
	require.Equal(t, "cmtrace/", cuts[len(cuts)-1])
}

func TestReadErrorComesLast(t *testing.T) {
	broken := errors.New("disk")
	r := io.MultiReader(strings.NewReader(frame("one", "", "")+"\n<![LOG[tw"), iotest.ErrReader(broken))
	var messages []string
	var last error
	for rec, err := range cmlog.Read(r) {
		if last = err; err == nil {
			messages = append(messages, rec.Message)
		}
	}
	require.Equal(t, []string{"one", "tw"}, messages)
	require.ErrorIs(t, last, broken)
}

// TestUnclosedFramesAreLinear reads a text that made a naive search start over for each record.
func TestUnclosedFramesAreLinear(t *testing.T) {
	n := 0
	for r := range cmlog.Read(strings.NewReader(strings.Repeat("<![LOG[never closed\n", 200_000))) {
		if r.Cut != cmlog.CutTail {
			t.Fatalf("record %d: %q cut %v", n, r.Message, r.Cut)
		}
		n++
	}
	require.Equal(t, 200_000, n)
}

func FuzzRead(f *testing.F) {
	f.Add(frame("one", "09:00:00.000-60", "07-04-2025") + "\r\n" + frame("two\nlines", "1:2:3.1234567", "1-2-2015"))
	f.Add("cut ]LOG]!><time=\"09:00:00.000-60\"")
	f.Add("<![LOG[a\n<![LOG[b]LOG]!><time=\"")
	f.Add("Started  $$<A><07-04-2025 09:00:00.123-60><thread=1 (0x1)>")
	f.Add("x\tVale\t7/4/2025 12:30:00 AM\t1234 (0x04D2)")
	f.Add("Date,Time,Component,Message\n7/4/2025,09:00:00,Vale,\"one, two\"")
	f.Add("\xff\xfe<\x00!\x00")
	f.Fuzz(func(t *testing.T, s string) {
		size, line := int64(0), 0
		for r, err := range cmlog.Read(strings.NewReader(s)) {
			if err != nil {
				if !errors.Is(err, cmlog.ErrCSV) {
					t.Fatal(err)
				}
				return
			}
			if r.Format != cmlog.CSV && !strings.Contains(r.Raw, r.Message) {
				t.Fatalf("message %q is not in %q", r.Message, r.Raw)
			}
			if r.Offset < size || r.Line < line {
				t.Fatalf("record at %d (line %d) after %d (line %d)", r.Offset, r.Line, size, line)
			}
			if r.Format != cmlog.CSV {
				size = r.Offset + int64(len(r.Raw))
			}
			line = r.Line
			if r.Time.IsZero() && r.HasBias && r.Wall.Year != 1 {
				t.Fatalf("bias %d but no time: %+v", r.Bias, r)
			}
			if e, ok := cmlog.Classify(r); ok {
				e.Explain()
			}
		}
	})
}

func ExampleRead() {
	log := `<![LOG[Workloads flag retrieved 8199]LOG]!><time="09:09:09.233-60" date="07-04-2025" component="CoManagementHandler" context="" type="1" thread="5156" file="vale.cpp:109">`
	for r, err := range cmlog.Read(strings.NewReader(log)) {
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(r.Wall, "local,", r.Time.Format(time.RFC3339Nano), r.Component+":", r.Message)
	}
	// Output:
	// 2025-07-04 09:09:09.233 local, 2025-07-04T08:09:09.233Z CoManagementHandler: Workloads flag retrieved 8199
}
