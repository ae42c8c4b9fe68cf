package ldapsync

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// A ResultKind is what a rule wants done with its target attribute.
type ResultKind uint8

// The kinds. The zero kind leaves the target alone, so that nothing is cleared by accident.
const (
	KindSkip    ResultKind = iota // leave the target attribute as it is
	KindSet                       // make it exactly these values
	KindClear                     // make it null: the source is the authority and holds nothing
	KindAbstain                   // no opinion: let the next rule for the same attribute speak
	KindUnknown                   // an input could not be read: nothing may be concluded, the target stays
)

var resultNames = [...]string{"skip", "set", "clear", "abstain", "unknown"}

// String returns "skip", "set", "clear", "abstain" or "unknown".
func (k ResultKind) String() string {
	if int(k) >= len(resultNames) {
		return fmt.Sprintf("ResultKind(%d)", uint8(k))
	}
	return resultNames[k]
}

// MarshalText writes the name.
func (k ResultKind) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// UnmarshalText reads what MarshalText writes.
func (k *ResultKind) UnmarshalText(b []byte) error {
	return unmarshalName(k, b, resultNames[:], "result")
}

// A Result is a rule's answer. The zero Result skips.
type Result struct {
	Kind   ResultKind
	Values []string // for KindSet: at least one, none empty
	Reason string   // why, for people; optional
}

// Set makes the target attribute exactly these values. No values, or an empty one, is an error that Apply
// reports: use Clear to clear.
func Set(values ...string) Result { return Result{Kind: KindSet, Values: values} }

// Clear makes the target attribute null.
func Clear(reason string) Result { return Result{Kind: KindClear, Reason: reason} }

// Skip leaves the target attribute as it is.
func Skip(reason string) Result { return Result{Kind: KindSkip, Reason: reason} }

// Abstain lets the next rule for the same attribute speak. If all abstain the attribute is left as it is.
func Abstain(reason string) Result { return Result{Kind: KindAbstain, Reason: reason} }

// Unknown says that the inputs do not allow an answer. The target is left as it is, and the plan says so.
func Unknown(reason string) Result { return Result{Kind: KindUnknown, Reason: reason} }

// Parameters that rules may name among their inputs, spelled as Entra Connect spells them (Microsoft,
// "Declarative provisioning expressions").
const (
	ParamDomainFQDN    = "%Domain.FQDN%"
	ParamDomainNetBIOS = "%Domain.Netbios%"
)

// An Env is what rules and conditions see beside the object. There is no clock in a mapping: Now is the time
// the caller says it is.
type Env struct {
	Domain Domain    // of the source
	Now    time.Time // the reference time of the cycle
}

// Inputs is what a rule or condition sees of an object: the attributes it declared, and nothing else. Reading
// an attribute that was not declared gives "absent" and makes Apply report an error.
type Inputs struct {
	obj      *Object
	env      *Env
	declared []string
	strayed  *string
}

func (in Inputs) allowed(name string) bool {
	for _, d := range in.declared {
		if len(d) == len(name) && strings.EqualFold(d, name) {
			return true
		}
	}
	if in.strayed != nil && *in.strayed == "" {
		*in.strayed = name
	}
	return false
}

func (in Inputs) param(name string) (string, bool) {
	switch {
	case strings.EqualFold(name, ParamDomainFQDN):
		return in.env.Domain.FQDN, true
	case strings.EqualFold(name, ParamDomainNetBIOS):
		return in.env.Domain.NetBIOS, true
	}
	return "", false
}

// Get returns the first value, and whether there is one.
func (in Inputs) Get(name string) (string, bool) {
	if !in.allowed(name) {
		return "", false
	}
	if strings.HasPrefix(name, "%") {
		v, _ := in.param(name)
		return v, v != ""
	}
	return in.obj.Get(name)
}

// All returns the values, nil unless the attribute is present. The caller must not modify them.
func (in Inputs) All(name string) []string {
	if strings.HasPrefix(name, "%") {
		if v, ok := in.Get(name); ok {
			return []string{v}
		}
		return nil
	}
	if !in.allowed(name) {
		return nil
	}
	return in.obj.All(name)
}

// Presence says what is known of the input.
func (in Inputs) Presence(name string) Presence {
	if !in.allowed(name) {
		return Absent
	}
	if strings.HasPrefix(name, "%") {
		if v, _ := in.param(name); v != "" {
			return Present
		}
		return Absent
	}
	return in.obj.Presence(name)
}

// ID returns the objectGUID of the source object.
func (in Inputs) ID() GUID { return in.obj.ID }

// DN returns the distinguished name of the source object.
func (in Inputs) DN() DN { return in.obj.DN }

// Now returns the reference time of the cycle.
func (in Inputs) Now() time.Time { return in.env.Now }

// A Rule computes one target attribute from declared inputs. Value must be a pure function: the same inputs,
// the same result, and no I/O. Rules are values; the functions of this package that take and return a Rule
// leave their argument as it is.
type Rule struct {
	To    string   // the target attribute
	From  []string // the source attributes and parameters Value may read
	Value func(Inputs) (Result, error)

	ID     string // names the rule in plans; "" means To
	Doc    string // what it does, in a line
	Source string // document and section it rests on; "" for an organisation's own

	// Once: speak only while the target attribute is absent, as Entra's "apply once" does.
	Once bool
	// Partial: call Value even if an input is unreadable. Without it such a rule's result is Unknown, and Value
	// need not think of it.
	Partial bool
}

// Name returns the ID, or To where there is none.
func (r Rule) Name() string {
	if r.ID != "" {
		return r.ID
	}
	return r.To
}

// A Condition decides whether an object of a Scope takes part.
type Condition struct {
	ID     string   // names the condition in plans
	From   []string // the source attributes and parameters Test may read
	Test   func(Inputs) (ok bool, reason string)
	Doc    string
	Source string

	// Leave: an object that fails is out of scope, and what was synchronised of it is reverted. Without it the
	// object is held: reported, and left at the target as it is.
	Leave bool
}

// test runs the condition. An unreadable input holds the object whatever the condition would say.
func (c Condition) test(o *Object, env *Env) (ok, unknown bool, reason string, err error) {
	for _, f := range c.From {
		if o.Presence(f) == Unreadable {
			return false, true, f + " cannot be read", nil
		}
	}
	var strayed string
	ok, reason = c.Test(Inputs{obj: o, env: env, declared: c.From, strayed: &strayed})
	if strayed != "" {
		err = fmt.Errorf("condition %s reads %s but does not declare it", c.ID, strayed)
	}
	return ok, false, reason, err
}

// Check runs the condition on an object, for unit tests and explanations. The result is false with a reason if
// an input is unreadable.
func (c Condition) Check(o Object, env Env) (ok bool, reason string, err error) {
	ok, _, reason, err = c.test(&o, &env)
	return ok, reason, err
}

// A RuleError is a rule that failed for one object.
type RuleError struct {
	Rule string // the rule's name
	To   string // the target attribute
	DN   DN     // the source object
	Err  error
}

// Error names the rule, the attribute and the object.
func (e *RuleError) Error() string {
	return fmt.Sprintf("rule %s for %s on %s: %v", e.Rule, e.To, e.DN, e.Err)
}

// Unwrap returns Err.
func (e *RuleError) Unwrap() error { return e.Err }

// sourceAttrs adds the attributes among from, which may hold parameters, to the set.
func sourceAttrs(set map[string]string, from []string) {
	for _, f := range from {
		if !strings.HasPrefix(f, "%") {
			if _, ok := set[canonicalName(f)]; !ok {
				set[canonicalName(f)] = f
			}
		}
	}
}

func sortedNames(set map[string]string) []string {
	out := make([]string, 0, len(set))
	for _, n := range set {
		out = append(out, n)
	}
	slices.SortFunc(out, compareFold)
	return out
}
