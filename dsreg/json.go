package dsreg

import (
	"encoding/json"
	"fmt"
	"sync"
)

// The JSON form of a Status holds the raw rows, titles and texts, from which
// the typed rows are made again: nothing is lost, and a document written by a newer
// version of this package keeps what an older one does not know.
type (
	statusJSON struct {
		Kind      string        `json:"kind"`
		Index     int           `json:"index"`
		Several   bool          `json:"several,omitempty"`
		JoinState JoinState     `json:"joinState"` // for readers; ignored on input
		Source    Source        `json:"source"`
		Headings  []headingJSON `json:"headings"`
		Rows      []Field       `json:"rows"`
		Texts     []textJSON    `json:"texts,omitempty"`
	}
	headingJSON struct {
		Title    string `json:"title"`
		Line     int    `json:"line"`
		FirstRow int    `json:"firstRow"`
		Cut      bool   `json:"cut,omitempty"`
	}
	textJSON struct {
		Class string `json:"class"`
		Text  string `json:"text"`
		Line  int    `json:"line"`
		Lines int    `json:"lines"`
	}
	fieldJSON struct {
		Section string `json:"section"`
		Label   string `json:"label"`
		Value   string `json:"value"`
		Line    int    `json:"line"`
		Lines   int    `json:"lines,omitempty"`
		Key     string `json:"key,omitempty"`
	}
)

// MarshalJSON writes the row with its Key.
func (f Field) MarshalJSON() ([]byte, error) {
	return json.Marshal(fieldJSON{f.Section, f.Label, f.Value, f.Line, f.Lines, f.Key()})
}

var keyIndex = sync.OnceValue(func() map[string]int16 {
	m := make(map[string]int16, len(catalog))
	for i := range catalog {
		m[Field{row: int16(i) + 1}.Key()] = int16(i)
	}
	return m
})

// UnmarshalJSON reads what MarshalJSON writes. A row without a key, or with
// one this version does not know, is an unknown row.
func (f *Field) UnmarshalJSON(b []byte) error {
	var j fieldJSON
	if err := json.Unmarshal(b, &j); err != nil {
		return fmt.Errorf("dsreg: row: %w", err)
	}
	*f = Field{Section: j.Section, Label: j.Label, Value: j.Value, Line: j.Line, Lines: j.Lines}
	if e, ok := keyIndex()[j.Key]; ok && j.Key != "" {
		f.row = e + 1
	}
	return nil
}

// MarshalJSON writes the status without loss; see UnmarshalJSON.
func (s *Status) MarshalJSON() ([]byte, error) {
	j := statusJSON{Kind: s.Kind.String(), Index: s.Index, Several: s.Several, JoinState: s.Join(), Source: s.Source, Headings: []headingJSON{}, Rows: s.fields}
	if s.Kind == 0 {
		j.Kind = ""
	}
	if j.Rows == nil {
		j.Rows = []Field{}
	}
	for _, h := range s.headings {
		j.Headings = append(j.Headings, headingJSON{h.Title, h.Line, h.first, !h.Closed})
	}
	for _, t := range s.texts {
		j.Texts = append(j.Texts, textJSON{t.Class.String(), t.Text, t.Line, t.Lines})
	}
	return json.Marshal(j)
}

// UnmarshalJSON reads what MarshalJSON writes and makes the typed rows again.
func (s *Status) UnmarshalJSON(b []byte) error {
	var j statusJSON
	if err := json.Unmarshal(b, &j); err != nil {
		return fmt.Errorf("dsreg: status: %w", err)
	}
	if len(j.Rows)+len(j.Headings)+len(j.Texts) > MaxRows {
		return &InputError{Err: ErrTooLarge, Reason: "more rows than one capture can have"}
	}
	n := Status{Index: j.Index, Several: j.Several, Source: j.Source, fields: j.Rows}
	last := 0
	for i, h := range j.Headings {
		if h.FirstRow < last || h.FirstRow > len(j.Rows) {
			return fmt.Errorf("dsreg: status: headings[%d]: firstRow %d is out of order", i, h.FirstRow)
		}
		last = h.FirstRow
		n.headings = append(n.headings, Heading{Section: sectionOf(h.Title), Title: h.Title, Line: h.Line, Closed: !h.Cut, first: h.FirstRow})
	}
	for i, t := range j.Texts {
		class := -1
		for c, name := range textClassNames {
			if name == t.Class {
				class = c
			}
		}
		if class < 0 {
			return fmt.Errorf("dsreg: status: texts[%d]: no class %q", i, clip(t.Class, 40))
		}
		n.texts = append(n.texts, TextLine{Class: TextClass(class), Text: t.Text, Line: t.Line, Lines: t.Lines})
	}
	n.derive(labels())
	*s = n
	return nil
}
