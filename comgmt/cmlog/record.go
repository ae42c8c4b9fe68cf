// Package cmlog reads the logs of the Configuration Manager client and says what CoManagementHandler.log means.
//
//	for rec, err := range cmlog.Read(file) {
//		…
//	}
//	state, err := cmlog.ReadState(file) // policy, merged, applied, enrolment, last error, next timer
//
// The frame is CMTrace's <![LOG[message]LOG]!><time="…" date="…" …>; messages may run over lines and hold anything but
// the end of the frame. Also read: the older "message $$<component><date time><thread=…>", lines copied out of the
// CMTrace window, CSV with a header, and plain lines without any frame. UTF-8 with or without a byte order mark,
// and UTF-16 with one.
//
// Times. The number behind the time is the Windows bias in minutes, so UTC = local + bias: "19:33:19.766-330" is half past
// seven in the evening in India (UTC+05:30) and 14:03 UTC. Where a log has no bias, only local time is known, and
// [Record.Time] is zero rather than a guess.
//
// Messages of CoManagementHandler.log are from Microsoft's "Troubleshoot co-management workloads" and "…bootstrap"
// articles and from public notes of support engineers; clients of other versions may word them differently. What is
// not recognised is still a [Record].
package cmlog

import (
	"fmt"
	"strconv"
	"time"
)

// A Severity is the type attribute of a record.
type Severity uint8

const (
	None    Severity = 0 // not given, or 0 as some components write
	Info    Severity = 1
	Warning Severity = 2
	Error   Severity = 3
)

// String returns "", "info", "warning", "error", or the number.
func (s Severity) String() string {
	switch s {
	case None:
		return ""
	case Info:
		return "info"
	case Warning:
		return "warning"
	case Error:
		return "error"
	}
	return strconv.Itoa(int(s))
}

// A Format is the frame a record was found in.
type Format uint8

const (
	Plain   Format = iota // a line without a frame
	CMTrace               // <![LOG[…]LOG]!><…>
	Legacy                // … $$<…><…><…>
	Copy                  // columns copied out of the CMTrace window
	CSV                   // a row of a CSV file with a header
)

var formatNames = [...]string{"plain", "cmtrace", "legacy", "copy", "csv"}

// String returns "plain", "cmtrace", "legacy", "copy" or "csv".
func (f Format) String() string {
	if int(f) < len(formatNames) {
		return formatNames[f]
	}
	return "Format(" + strconv.Itoa(int(f)) + ")"
}

// A Cut says which part of a record is missing.
type Cut uint8

const (
	Whole   Cut = iota
	CutHead     // the beginning: the file starts in the middle of a record, as rolled logs may
	CutTail     // the end: the file stops, or another record begins, before the frame is closed
	CutLong     // longer than [Reader.MaxRecord]: the rest follows as further records
)

var cutNames = [...]string{"", "head", "tail", "long"}

// String returns "", "head", "tail" or "long".
func (c Cut) String() string {
	if int(c) < len(cutNames) {
		return cutNames[c]
	}
	return "Cut(" + strconv.Itoa(int(c)) + ")"
}

// A Wall is a date and time without a zone, as the log prints it.
type Wall struct {
	Year                 int
	Month, Day           int // from 1
	Hour, Minute, Second int
	Nanosecond           int
}

// IsZero reports whether no time was found.
func (w Wall) IsZero() bool { return w == Wall{} }

// String returns "2014-11-28 19:33:19.766", or "" for the zero Wall.
func (w Wall) String() string {
	if w.IsZero() {
		return ""
	}
	s := fmt.Sprintf("%04d-%02d-%02d %02d:%02d:%02d", w.Year, w.Month, w.Day, w.Hour, w.Minute, w.Second)
	switch {
	case w.Nanosecond == 0:
		return s
	case w.Nanosecond%1e6 == 0:
		return s + fmt.Sprintf(".%03d", w.Nanosecond/1e6)
	}
	return s + fmt.Sprintf(".%07d", w.Nanosecond/100)
}

// A Record is one entry of a log.
type Record struct {
	// Message is the text between the brackets, line breaks included; \r\n stays as it is.
	Message   string
	Component string
	Context   string
	Thread    string // decimal, as printed
	File      string // "source.cpp:123"
	Severity  Severity
	Wall      Wall      // local time, zero if none could be read
	Bias      int       // minutes; UTC = local + bias
	HasBias   bool      // false: only local time is known
	Time      time.Time // UTC; zero unless Wall and Bias are known
	Format    Format
	Cut       Cut
	Line      int    // of the first character, from 1
	Offset    int64  // of the first byte in the text as UTF-8, without a byte order mark
	Raw       string // the whole record, without the line end; attributes this package does not know are here
	// Problem says what could not be read, such as a date that does not exist; "" if nothing.
	Problem string
}
