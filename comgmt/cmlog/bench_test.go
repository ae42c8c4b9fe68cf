package cmlog_test

import (
	"bytes"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.internal/hybridkit/comgmt/cmlog"
)

// sampleLog is like a client's: records of 235 bytes or so, some with several lines, times that move on.
func sampleLog(n int) []byte {
	var b bytes.Buffer
	at := time.Date(2025, 7, 4, 8, 0, 0, 0, time.UTC)
	for i := range n {
		message := "Processing GET for assignment (ScopeId_AV" + strconv.Itoa(i) + "/ConfigurationPolicy_ashdown-vale : 1) " + strings.Repeat("v", 40)
		if i%25 == 0 {
			message += "\r\n\tsecond line"
		}
		at = at.Add(137 * time.Millisecond)
		fmt.Fprintf(&b, "<![LOG[%s]LOG]!><time=\"%s-60\" date=\"%s\" component=\"CoManagementHandler\" context=\"\" type=\"1\" thread=\"5120\" file=\"vale.cpp:%d\">\r\n",
			message, at.Add(time.Hour).Format("15:04:05.000"), at.Format("01-02-2006"), i%900)
	}
	return b.Bytes()
}

func BenchmarkRead(b *testing.B) {
	for _, n := range []int{400, 40_000} {
		log := sampleLog(n)
		b.Run(fmt.Sprintf("records=%d", n), func(b *testing.B) {
			b.SetBytes(int64(len(log)))
			b.ReportAllocs()
			for b.Loop() {
				count := 0
				for r, err := range cmlog.Read(bytes.NewReader(log)) {
					if err != nil || r.Time.IsZero() {
						b.Fatal(r, err)
					}
					count++
				}
				if count != n {
					b.Fatal(count)
				}
			}
		})
	}
}

func BenchmarkState(b *testing.B) {
	const n = 40_000
	log := sampleLog(n)
	b.SetBytes(int64(len(log)))
	b.ReportAllocs()
	for b.Loop() {
		s, err := cmlog.ReadState(bytes.NewReader(log))
		if err != nil || s.Events != n {
			b.Fatal(s.Events, err)
		}
	}
}

// BenchmarkPeerRegexp is the usual way: one regular expression over the whole record, with the same conversion of time.
func BenchmarkPeerRegexp(b *testing.B) {
	for _, n := range []int{400, 40_000} {
		log := sampleLog(n)
		record := regexp.MustCompile(`(?s)<!\[LOG\[(.*?)\]LOG\]!><time="(\d+):(\d+):(\d+)\.(\d+)([+-]\d+)" date="(\d+)-(\d+)-(\d+)" component="([^"]*)" context="([^"]*)" type="(\d)" thread="(\d+)" file="([^"]*)">`)
		b.Run(fmt.Sprintf("records=%d", n), func(b *testing.B) {
			b.SetBytes(int64(len(log)))
			b.ReportAllocs()
			for b.Loop() {
				count := 0
				for _, m := range record.FindAllSubmatch(log, -1) {
					var v [8]int
					for i := range v {
						v[i], _ = strconv.Atoi(string(m[2+i])) // digits, by the pattern
					}
					at := time.Date(v[7], time.Month(v[5]), v[6], v[0], v[1], v[2], v[3]*1e6, time.UTC).Add(time.Duration(v[4]) * time.Minute)
					if at.IsZero() {
						b.Fatal(string(m[0]))
					}
					count++
				}
				if count != n {
					b.Fatal(count)
				}
			}
		})
	}
}
