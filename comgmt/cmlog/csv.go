package cmlog

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"io"
	"strings"
	"time"
)

// csvNames maps names of columns, as exports of public log readers and spreadsheets write them, to what they hold.
var csvNames = map[string]string{
	"message": "message", "logtext": "message", "log text": "message", "text": "message",
	"component": "component", "context": "context", "thread": "thread", "threadid": "thread",
	"date": "date", "time": "time", "datetime": "datetime", "date/time": "datetime", "timestamp": "datetime",
	"type": "type", "severity": "type", "file": "file", "source": "file",
}

// csvHeader looks whether the text begins with a header that has a message and a component or a time.
func (s *scanner) csvHeader() (columns []string, separator rune, ok bool) {
	end := s.index([]byte{'\n'}, 0)
	if end < 0 || end > 1<<10 || bytes.Contains(s.buf[s.pos:s.pos+end], frameOpen) {
		return nil, 0, false
	}
	line := strings.TrimRight(string(s.buf[s.pos:s.pos+end]), "\r")
	for _, sep := range [...]rune{',', ';', '\t'} {
		columns = nil
		has := map[string]bool{}
		for name := range strings.SplitSeq(line, string(sep)) {
			what := csvNames[strings.ToLower(strings.Trim(strings.TrimSpace(name), `"`))]
			columns = append(columns, what)
			has[what] = true
		}
		if has["message"] && (has["component"] || has["time"] || has["datetime"]) {
			return columns, sep, true
		}
	}
	return nil, 0, false
}

func (s *scanner) readCSV(columns []string, separator rune, yield func(Record, error) bool) {
	c := csv.NewReader(io.MultiReader(bytes.NewReader(s.buf[s.pos:]), s.r))
	c.Comma, c.FieldsPerRecord, c.LazyQuotes = separator, -1, true
	start := int64(0)
	for first := true; ; first = false {
		row, err := c.Read()
		if err == io.EOF && s.err == nil {
			return
		}
		if err != nil {
			if s.err != nil {
				err = s.err
			}
			yield(Record{}, fmt.Errorf("%w: %w", ErrCSV, err))
			return
		}
		line, _ := c.FieldPos(0)
		offset := start
		start = c.InputOffset()
		if first {
			continue
		}
		r := Record{Format: CSV, Line: line, Offset: offset, Raw: strings.Join(row, string(separator))}
		var date, clock string
		for i, v := range row {
			if i >= len(columns) {
				break
			}
			switch columns[i] {
			case "message":
				r.Message = v
			case "component":
				r.Component = v
			case "context":
				r.Context = v
			case "thread":
				r.Thread, _, _ = strings.Cut(v, " ")
			case "file":
				r.File = v
			case "date":
				date = v
			case "time":
				clock = v
			case "datetime":
				date, clock, _ = strings.Cut(strings.Replace(v, "T", " ", 1), " ")
			case "type":
				switch strings.ToLower(v) {
				case "1", "info", "information", "informational":
					r.Severity = Info
				case "2", "warning":
					r.Severity = Warning
				case "3", "error":
					r.Severity = Error
				}
			}
		}
		s.csvTime(&r, date, clock)
		if !yield(r, nil) {
			return
		}
	}
}

// csvTime reads M-D-YYYY, M/D/YYYY or YYYY-MM-DD; a zone is believed only in ISO 8601.
func (s *scanner) csvTime(r *Record, date, clock string) {
	if date == "" {
		return
	}
	for _, zoned := range [...]string{"Z07:00", "-0700"} {
		if t, err := time.Parse("2006-01-02 15:04:05.999999999"+zoned, date+" "+clock); err == nil {
			_, offset := t.Zone()
			r.Wall = Wall{t.Year(), int(t.Month()), t.Day(), t.Hour(), t.Minute(), t.Second(), t.Nanosecond()}
			r.Bias, r.HasBias, r.Time = -offset/60, true, t.UTC()
			return
		}
	}
	half := ""
	if c, h, ok := strings.Cut(clock, " "); ok {
		clock, half = c, strings.ToUpper(h)
	}
	if y, rest, ok := strings.Cut(date, "-"); ok && len(y) == 4 {
		date = rest + "-" + y
	}
	s.dates.stamp(r, strings.ReplaceAll(date, "/", "-"), clock)
	if half == "PM" && r.Wall.Hour < 12 && !r.Wall.IsZero() {
		r.Wall.Hour += 12
	} else if half == "AM" && r.Wall.Hour == 12 {
		r.Wall.Hour = 0
	}
}
