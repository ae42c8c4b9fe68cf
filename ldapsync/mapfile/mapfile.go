// Package mapfile reads and writes mappings as data: a JSON file whose rules are copies, constants, expressions in
// one of Microsoft's two dialects (package expr), and calls of named Go functions that the program provides. A
// file becomes what the engine runs:
//
//	f, err := mapfile.Read(r)
//	set, err := f.Build(mapfile.Options{Functions: mapfile.Builtins()})
//	set[0].Mapping // an ldapsync.Mapping, for a Track, for mappingtest, for Apply in a unit test
//
// The format is described by the JSON Schema that Schema returns. Reading is strict: an unknown member, a wrong type
// or a rule that is two things at once is an *Error with line and column, and so is every expression that does not
// compile. Package syncrules turns existing Entra configurations into such files.
//
// Compare says what would become of an object under one mapping and under another, and Describe makes a table of a
// mapping, whatever it was made of.
package mapfile

import (
	_ "embed"
	"fmt"

	"go.internal/hybridkit/ldapsync"
	"go.internal/hybridkit/ldapsync/expr"
)

// Version is the version of the format this package reads and writes.
const Version = 1

// MaxBytes is the size of the largest file that Read takes.
const MaxBytes = 16 << 20

//go:embed mapfile.schema.json
var schema []byte

// Schema returns the JSON Schema (draft 2020-12) of the format. The caller may keep it.
func Schema() []byte { return append([]byte(nil), schema...) }

// A File is a mapping file. Build makes rules of it.
type File struct {
	Schema   string    `json:"$schema,omitempty"` // for editors; not looked at
	Version  int       `json:"version"`
	Doc      string    `json:"doc,omitempty"`
	Mappings []Section `json:"mappings"`

	text []byte         // what was read, for positions
	at   map[string]int // offsets of the parts, by their path
}

// A Section is one mapping: for a class of objects, or for other sections to build on.
type Section struct {
	Name  string         `json:"name"`
	Class ldapsync.Class `json:"class,omitzero"`
	Doc   string         `json:"doc,omitempty"`

	// Input names another section: the source attributes of this one's rules are the target attributes of that
	// one's, and only what no rule there sets is not there. Entra Connect's two steps, from a directory to the
	// metaverse and on from there, are two sections.
	Input string `json:"input,omitempty"`

	// Dialect of the expressions that name none.
	Dialect expr.Dialect `json:"dialect,omitzero"`

	// OUs, if the file names them: those to read, as distinguished names.
	OUs []string `json:"ous,omitempty"`

	// Scope: objects take part only if all of these hold.
	Scope []ScopeFilter `json:"scope,omitempty"`

	// Keys join objects with their counterparts, in this order.
	Keys []ldapsync.MatchKey `json:"keys,omitempty"`

	// Parameters of expressions besides Domain.FQDN and Domain.Netbios, without the percent signs.
	Parameters map[string]string `json:"parameters,omitempty"`

	// NoContribution is what becomes of a target attribute if every rule for it abstains.
	NoContribution NoContribution `json:"noContribution,omitempty"`

	Rules []Rule `json:"rules"`
}

// NoContribution says what becomes of a target attribute if every rule for it abstains: "" and "keep" leave it,
// "clear" makes it null.
type NoContribution string

// The values of NoContribution.
const (
	Keep  NoContribution = "keep"
	Clear NoContribution = "clear"
)

// A ScopeFilter is a condition of a section: one of its groups holds. No groups hold always.
type ScopeFilter struct {
	ID     string  `json:"id,omitempty"` // names the condition in plans; "scope" if empty
	Doc    string  `json:"doc,omitempty"`
	Groups []Group `json:"groups"`

	// Leave: what was synchronised of an object that fails is reverted. Without it the object is held. A filter
	// with a clause that nobody can evaluate (Unsupported) always holds objects and never makes them leave.
	Leave bool `json:"leave,omitempty"`
}

// A Group holds if all of its clauses do.
type Group []Clause

// A Clause compares an attribute. Text is compared without case unless Exact; TRUE and FALSE are booleans, however
// they are spelled. An absent attribute equals nothing, so the negative operators hold for it.
type Clause struct {
	Attribute string   `json:"attribute,omitempty"`
	Operator  Operator `json:"operator"`
	Values    []string `json:"values,omitempty"`
	Exact     bool     `json:"exact,omitempty"`
	Why       string   `json:"why,omitempty"` // for Unsupported
}

// A Rule sets one target attribute. It is exactly one of Copy, Constant, Expression, Function and Skip.
type Rule struct {
	To     string `json:"to"`
	ID     string `json:"id,omitempty"`
	Doc    string `json:"doc,omitempty"`
	Source string `json:"source,omitempty"` // what the rule rests on

	Copy       string       `json:"copy,omitempty"`       // the source attribute
	Constant   []string     `json:"constant,omitempty"`   // values
	Expression string       `json:"expression,omitempty"` // in Dialect
	Dialect    expr.Dialect `json:"dialect,omitzero"`     // the section's if absent
	Function   string       `json:"function,omitempty"`   // a name in Options.Functions
	Args       []string     `json:"args,omitempty"`       // of Function
	Skip       string       `json:"skip,omitempty"`       // leave the target as it is, for this reason

	When    []Group  `json:"when,omitempty"`    // the rule speaks only where one of these holds, else it abstains
	Default []string `json:"default,omitempty"` // values where the result is null
	Null    Null     `json:"null,omitempty"`    // what a null result means
	Once    bool     `json:"once,omitempty"`    // only while the target attribute is absent

	// Merge: the values of all rules for the attribute that merge come together. MergeExact compares with case.
	Merge      bool `json:"merge,omitempty"`
	MergeExact bool `json:"mergeExact,omitempty"`
}

// Null says what a null result of a rule means: "" is "clear" in the Cloud Sync dialect and for all that is no
// expression, and "abstain" in the Entra Connect dialect.
type Null string

// The values of Null.
const (
	NullClear   Null = "clear"   // the target becomes null
	NullAbstain Null = "abstain" // the next rule may speak
	NullKeep    Null = "keep"    // the target stays as it is
)

// An Error says what is wrong with a mapping file and where.
type Error struct {
	Line, Column int    // from 1; 0 if the file was not read from text
	Field        string // such as mappings[0].rules[3].expression
	Err          error
}

// Error returns the place, the field and the mistake.
func (e *Error) Error() string {
	s := ""
	if e.Line > 0 {
		s = fmt.Sprintf("line %d, column %d: ", e.Line, e.Column)
	}
	if e.Field != "" {
		s += e.Field + ": "
	}
	return s + e.Err.Error()
}

// Unwrap returns Err.
func (e *Error) Unwrap() error { return e.Err }
