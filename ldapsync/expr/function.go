package expr

import (
	"maps"
	"slices"
	"strings"
	"sync"
)

// Type is what a parameter takes, a function gives and an attribute holds.
type Type uint8

// The types. TypeAny fits everything.
const (
	TypeAny    Type = iota
	TypeString      // numbers, booleans and dates are written out
	TypeNumber      // a text of decimal digits fits
	TypeBool
	TypeDate
	TypeBinary
	TypeMulti // several values; a single one fits
	TypeName  // one of a few constants
	TypeVar   // a variable such as $item
	TypeVoid  // Error gives nothing
)

var typeNames = [...]string{"any", "string", "number", "boolean", "date", "binary", "multi-valued", "constant", "variable", "nothing"}

// String returns the name of the type, such as "multi-valued".
func (t Type) String() string {
	if int(t) >= len(typeNames) {
		return "Type(?)"
	}
	return typeNames[t]
}

// A Param is a parameter of a Function.
type Param struct {
	Name     string
	Type     Type
	Optional bool     // may be left out
	Repeats  bool     // the last parameters with Repeats may come any number of times, together
	Names    []string // of TypeName: the constants that fit
}

// A Function describes a function of a dialect.
type Function struct {
	Name          string
	Params        []Param
	Result        Type
	Deterministic bool   // gives the same for the same arguments
	Source        string // the page that documents it
	Note          string // where the pages are silent or contradict each other: what was chosen
}

// Signature returns the function as its page writes it: Left(String, NumChars).
func (f Function) Signature() string {
	var parts []string
	for _, p := range f.Params {
		name := p.Name
		if p.Optional {
			name = "[" + name + "]"
		}
		if p.Repeats {
			name += "…"
		}
		parts = append(parts, name)
	}
	return f.Name + "(" + strings.Join(parts, ", ") + ")"
}

// Functions returns the functions of a dialect, sorted by name.
func Functions(d Dialect) []Function {
	var out []Function
	for _, f := range table(d) {
		g := f.Function
		g.Params = slices.Clone(g.Params)
		out = append(out, g)
	}
	slices.SortFunc(out, func(a, b Function) int { return strings.Compare(a.Name, b.Name) })
	return out
}

// The pages the functions and their examples come from.
const (
	pageProvisioning = "Microsoft, Reference for writing expressions for attribute mappings in Microsoft Entra Application Provisioning"
	pageCloudSync    = "Microsoft, Microsoft Entra Cloud Sync expressions and function reference"
	pageConnect      = "Microsoft, Microsoft Entra Connect Sync: Functions Reference"
	pageDeclarative  = "Microsoft, Microsoft Entra Connect Sync: Understanding Declarative Provisioning"
)

type function struct {
	Function
	impure   bool
	each     bool // a multi-valued first argument: the function applies to each value
	nulls    bool // eval sees null arguments; otherwise a null argument makes the result null
	topLevel bool
	eval     func(m *machine, a []Value) Value
	form     func(c *compiler, n *Node) code // for functions that do not evaluate all their arguments
}

// sig reads a signature: "source:str, culture:str?" with ? for optional and * for repeated parameters.
func sig(s string) []Param {
	types := map[string]Type{"any": TypeAny, "str": TypeString, "num": TypeNumber, "bool": TypeBool, "date": TypeDate,
		"bin": TypeBinary, "mv": TypeMulti, "var": TypeVar}
	var out []Param
	for part := range strings.SplitSeq(s, ", ") {
		if part == "" {
			continue
		}
		name, typ, _ := strings.Cut(part, ":")
		p := Param{Name: name}
		typ, p.Optional = strings.CutSuffix(typ, "?")
		typ, p.Repeats = strings.CutSuffix(typ, "*")
		if names, ok := strings.CutPrefix(typ, "name="); ok {
			p.Type, p.Names = TypeName, strings.Split(names, "|")
		} else {
			p.Type = types[typ]
		}
		out = append(out, p)
	}
	return out
}

// tables are the functions of the dialects by name. They are made once and never changed.
var tables struct {
	once     sync.Once
	dialects [2]map[string]*function
}

func table(d Dialect) map[string]*function {
	if !d.known() {
		return nil
	}
	tables.once.Do(func() {
		for i, list := range [][]function{cloudFunctions(), connectFunctions()} {
			byName := make(map[string]*function, len(list))
			for _, f := range list {
				f.Deterministic = !f.impure
				if f.Source == "" {
					f.Source = [...]string{pageProvisioning, pageConnect}[i]
				}
				byName[f.Name] = &f
			}
			tables.dialects[i] = byName
		}
	})
	return tables.dialects[d-1]
}

func lookupFunc(d Dialect, n *Node) *function {
	if n.Kind != NodeCall {
		return nil
	}
	return table(d)[n.Text]
}

func functionNames(d Dialect) []string { return slices.Sorted(maps.Keys(table(d))) }

// counterparts name what does the same in the other dialect.
var counterparts = [...][2]string{ // Cloud Sync, Entra Connect
	{"ToLower", "LCase"}, {"ToUpper", "UCase"}, {"Coalesce", "IIF(IsPresent(…), …, …)"}, {"StripSpaces", `Replace(…, " ", "")`},
	{"Append", "the operator &"}, {"IgnoreFlowIfNullOrEmpty", "IgnoreThisFlow"}, {"NormalizeDiacritics", "ReplaceChars"},
	{"RandomString", "RandomNum"}, {"Mid", "Right"}, {"Not", "a comparison with False"}, {"Replace", "ReplaceChars"},
}

func counterpart(d Dialect, name string) string {
	for _, c := range counterparts {
		if c[d.other()-1] == name {
			return c[d-1]
		}
	}
	return ""
}
