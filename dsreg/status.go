package dsreg

import (
	"iter"
	"strconv"
)

// A Kind says which command printed a capture.
type Kind uint8

// Kinds of captures. The zero Kind is no capture.
const (
	KindStatus   Kind = iota + 1 // dsregcmd /status
	KindJoin                     // dsregcmd /debug or /join /debug
	KindLeave                    // dsregcmd /debug /leave
	KindAccounts                 // dsregcmd /listaccounts
	KindCleanup                  // dsregcmd /cleanupaccounts
)

var kindNames = [...]string{"", "status", "join-debug", "leave-debug", "accounts", "cleanup-accounts"}

// String returns the kind's name; values off the table print as Kind(n).
func (k Kind) String() string {
	if int(k) < len(kindNames) && k != 0 {
		return kindNames[k]
	}
	return "Kind(" + strconv.Itoa(int(k)) + ")"
}

// A Field is one row as printed.
type Field struct {
	Section string `json:"section"` // title of its box; "" without one, "log" and "accounts" for output without boxes
	Label   string `json:"label"`   // "" for a log line without a name
	Value   string `json:"value"`
	Line    int    `json:"line"`            // line of the input, from 1
	Lines   int    `json:"lines,omitempty"` // how many lines the value takes; 0 means one

	row int16 // index in catalog plus 1, 0 for an unknown label
}

// Known reports whether the label is in the catalogue.
func (f Field) Known() bool { return f.row > 0 }

// Key names the catalogue's entry for the row as "Section/Label" in one
// spelling, whatever the capture's; "" for an unknown label.
func (f Field) Key() string {
	if f.row == 0 {
		return ""
	}
	return sectionTitles[catalog[f.row-1].Section] + "/" + catalog[f.row-1].Name
}

// A Heading is the title of a box, with the rows that follow it.
type Heading struct {
	Section Section
	Title   string // as printed
	Line    int
	Closed  bool // false where the input ends inside the box

	first int // index of the first row
}

// A TextClass says what a line that is no row and no title is.
type TextClass uint8

// Classes of text.
const (
	TextOther    TextClass = iota // not recognised: comments, banners, other commands' output
	TextPrompt                    // a shell prompt
	TextFooter                    // "For more information, please visit …"
	TextProgress                  // "Waiting for Diagnostics Task to complete …"
	TextElision                   // "...": somebody removed lines
)

var textClassNames = [...]string{"other", "prompt", "footer", "progress", "elision"}

// String returns the class's name; values off the table print as TextClass(n).
func (c TextClass) String() string {
	if int(c) < len(textClassNames) {
		return textClassNames[c]
	}
	return "TextClass(" + strconv.Itoa(int(c)) + ")"
}

// A TextLine is one or more lines of the input that are no row and no title.
// Nothing but blank lines, rules and Markdown fences is left out of the model.
type TextLine struct {
	Class TextClass
	Text  string // as in the input, lines joined by LF
	Line  int
	Lines int // at least 1; blank lines inside a run are counted
}

// A Repair says that a value was changed while it was read.
type Repair struct {
	Line int    `json:"line"`
	From string `json:"from"`
	To   string `json:"to"`
}

// A Source says how the bytes of a capture were read.
type Source struct {
	Encoding  Encoding `json:"encoding"`
	HTML      bool     `json:"html,omitempty"`      // tags and entities were removed
	CutStart  bool     `json:"cutStart,omitempty"`  // the capture begins inside a box
	CutEnd    bool     `json:"cutEnd,omitempty"`    // the input ends inside a box or a row
	Repairs   []Repair `json:"repairs,omitempty"`   // values read twice through a code page and read back
	FirstLine int      `json:"firstLine,omitempty"` // first line of the capture in its input
	LastLine  int      `json:"lastLine,omitempty"`
}

// A Status is what one run of dsregcmd printed: the raw lines, and the typed
// rows of the catalogue made from them. The zero Status is an empty capture.
// A Status is read only once it is parsed and may be used concurrently.
type Status struct {
	Kind    Kind
	Several bool // the input holds more than one capture
	Index   int  // number of the capture in its input, from 1
	Source  Source

	Device         DeviceState
	Details        DeviceDetails
	Tenant         TenantDetails
	User           UserState
	SSO            SSOState
	WorkAccounts   []WorkAccount
	Diagnostics    Diagnostics
	Proxy          Proxy
	Ngc            NgcCheck
	VirtualDesktop VirtualDesktop

	// OldRegistration holds what the layout of Windows 10 1803 and earlier
	// prints as device and tenant data while neither AzureAdJoined nor
	// EnterpriseJoined is YES: the data of the user's work account. Details
	// and Tenant are then empty.
	OldRegistration *OldRegistration
	// Log is what /debug printed, nil without it.
	Log *JoinLog
	// Accounts is what /listaccounts and /cleanupaccounts printed, nil without it.
	Accounts *AccountList

	fields   []Field
	headings []Heading
	texts    []TextLine
}

// Fields iterates the rows in the order of the input, known and unknown ones,
// each with its section, its label and its line.
func (s *Status) Fields() iter.Seq[Field] {
	return func(yield func(Field) bool) {
		for i := range s.fields {
			if !yield(s.fields[i]) {
				return
			}
		}
	}
}

// Len returns the number of rows.
func (s *Status) Len() int { return len(s.fields) }

// Headings iterates the titles of boxes in the order of the input.
func (s *Status) Headings() iter.Seq[Heading] {
	return func(yield func(Heading) bool) {
		for _, h := range s.headings {
			if !yield(h) {
				return
			}
		}
	}
}

// Texts iterates the lines that are neither rows nor titles, in the order of the input.
func (s *Status) Texts() iter.Seq[TextLine] {
	return func(yield func(TextLine) bool) {
		for _, t := range s.texts {
			if !yield(t) {
				return
			}
		}
	}
}

// Has reports whether the capture has a box of this section.
func (s *Status) Has(sec Section) bool {
	for i := range s.headings {
		if s.headings[i].Section == sec {
			return true
		}
	}
	return false
}

// Find returns the first row with this section and label, without regard to
// case and blanks. A section of "" finds the label anywhere.
func (s *Status) Find(section, label string) (Field, bool) {
	sec, lab := foldLabel(section), foldLabel(label)
	for _, f := range s.fields {
		if foldLabel(f.Label) == lab && (section == "" || foldLabel(f.Section) == sec) {
			return f, true
		}
	}
	return Field{}, false
}

// rowOf returns the raw row of a typed cell.
func (s *Status) rowOf(c *Cell) (Field, bool) {
	if c.State == Absent || int(c.row) > len(s.fields) || c.row == 0 {
		return Field{}, false
	}
	return s.fields[c.row-1], true
}
