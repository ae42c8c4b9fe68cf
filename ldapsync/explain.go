package ldapsync

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
)

// An Explanation says how the engine sees one object, step by step.
type Explanation struct {
	Object     GUID              `json:"object,omitzero"`
	DN         DN                `json:"dn"`
	Track      string            `json:"track,omitempty"` // "" if no track reads it
	InScope    bool              `json:"inScope"`
	Where      string            `json:"where,omitempty"` // for an object no track reads: where it was found, and why it is not read
	Conditions []ConditionResult `json:"conditions,omitempty"`
	Target     GUID              `json:"target,omitzero"`
	TargetDN   DN                `json:"targetDN,omitzero"`
	Join       string            `json:"join,omitempty"` // how the counterpart was found, or why there is none
	Rules      []RuleResult      `json:"rules,omitempty"`
	Owned      []OwnedAttr       `json:"owned,omitempty"` // what the engine wrote so far
	Items      []Item            `json:"items,omitempty"` // what would happen; none: nothing
	Trips      []Trip            `json:"trips,omitempty"` // guards that block the plan as a whole
}

// A ConditionResult is a scope condition's answer.
type ConditionResult struct {
	ID     string `json:"id"`
	OK     bool   `json:"ok"`
	Reason string `json:"reason,omitempty"`
	Source string `json:"source,omitempty"`
}

// A RuleResult is a rule's answer.
type RuleResult struct {
	To     string     `json:"to"`
	Rule   string     `json:"rule"`
	Kind   ResultKind `json:"kind"`
	Values ValueList  `json:"values,omitempty"`
	Inputs []Input    `json:"inputs,omitempty"`
	Reason string     `json:"reason,omitempty"`
	Error  string     `json:"error,omitempty"`
	Source string     `json:"source,omitempty"`
}

// An OwnedAttr is an attribute the engine wrote.
type OwnedAttr struct {
	Attr     string    `json:"attr"`
	Rule     string    `json:"rule"`
	PreImage ValueList `json:"preImage"` // before the engine's first write
}

// A tracer records how a plan comes to its decision about one object. The nil tracer records nothing.
type tracer struct {
	id  GUID
	dn  DN
	out *Explanation
	p   *planner
	obj *Object
}

// match returns the tracer if o is the object asked about, else nil.
func (t *tracer) match(o *Object) *tracer {
	if t == nil || (t.id.IsZero() || t.id != o.ID) && (t.dn.IsRoot() || !t.dn.Equal(o.DN)) {
		return nil
	}
	return t
}

func (t *tracer) sawInScope(p *planner, o *Object, l *link) {
	if t == nil {
		return
	}
	t.p, t.obj = p, o
	t.out.Object, t.out.DN, t.out.Track, t.out.InScope = o.ID, o.DN, p.t.Name, true
	t.link(l)
}

func (t *tracer) missing(p *planner, l *link, reason string) {
	if t == nil {
		return
	}
	if t.out.Track == "" {
		t.out.Track = p.t.Name
	}
	t.out.InScope, t.out.Where = false, reason
	if !t.id.IsZero() {
		t.link(l)
	}
}

func (t *tracer) link(l *link) {
	if l == nil {
		return
	}
	t.out.Object, t.out.Target, t.out.TargetDN = l.Source, l.Target, looseDN(l.TargetDN)
	t.out.Owned = nil
	for _, o := range l.Owned {
		t.out.Owned = append(t.out.Owned, OwnedAttr{Attr: o.Attr, Rule: o.Rule, PreImage: o.Pre})
	}
}

func (t *tracer) condition(c Condition, ok bool, reason string) {
	if t == nil {
		return
	}
	t.out.Conditions = append(t.out.Conditions, ConditionResult{ID: c.ID, OK: ok, Reason: reason, Source: c.Source})
}

func (t *tracer) joined(m match) {
	if t == nil {
		return
	}
	t.out.Join = m.reason
	if m.target != nil {
		t.out.Target, t.out.TargetDN = m.target.ID, m.target.DN
	}
}

func (t *tracer) outcome(oc *Outcome) {
	if t == nil {
		return
	}
	r := RuleResult{To: oc.To, Rule: oc.Rule, Kind: oc.Result.Kind, Values: oc.Result.Values, Reason: oc.Result.Reason, Source: t.source(oc.To, oc.Rule)}
	for _, f := range oc.From {
		in := Inputs{obj: t.obj, env: &t.p.env, declared: oc.From}
		r.Inputs = append(r.Inputs, Input{Attr: f, Values: in.All(f)})
	}
	t.out.Rules = append(t.out.Rules, r)
}

func (t *tracer) failed(e *RuleError) {
	if t == nil {
		return
	}
	t.out.Rules = append(t.out.Rules, RuleResult{To: e.To, Rule: e.Rule, Error: e.Err.Error(), Source: t.source(e.To, e.Rule)})
}

func (t *tracer) source(to, rule string) string {
	for _, r := range t.p.t.Mapping {
		if r.Name() == rule && strings.EqualFold(r.To, to) {
			return r.Source
		}
	}
	return ""
}

// Explain makes a plan and says how it comes to its decision about one object, named by its DN at the source or
// its objectGUID. It writes nothing. The error wraps ErrNotFound if neither the source nor the state knows the
// object.
func (s *Syncer) Explain(ctx context.Context, who string) (*Explanation, error) {
	t := &tracer{out: &Explanation{}}
	var err error
	if t.id, err = ParseGUID(who); err != nil {
		if t.dn, err = ParseDN(who); err != nil || t.dn.IsRoot() {
			return nil, fmt.Errorf("ldapsync: %q is neither an objectGUID nor a distinguished name", clip(who))
		}
		t.out.DN = t.dn
	}
	p, err := s.plan(ctx, t)
	if err != nil {
		return nil, err
	}
	e := t.out
	e.Trips = p.Trips
	for _, it := range p.Items {
		if !e.Object.IsZero() && it.Source == e.Object {
			e.Items = append(e.Items, it)
		}
	}
	if e.Track != "" {
		return e, nil
	}
	if t.id.IsZero() {
		return nil, fmt.Errorf("ldapsync: no object %s in the OUs of any track, nor among those joined before: %w", t.dn, ErrNotFound)
	}
	o, err := s.Source.Locate(ctx, t.id, nil)
	if errors.Is(err, ErrNotFound) {
		return nil, fmt.Errorf("ldapsync: %s is nowhere the account can see: %w", t.id, ErrNotFound)
	}
	if err != nil {
		return nil, err
	}
	e.Object, e.DN = o.ID, o.DN
	e.Where = "it is not in an OU of any track, or a filter does not select it"
	return e, nil
}

// WriteText prints the explanation for people.
func (e *Explanation) WriteText(w io.Writer) error {
	b := bufio.NewWriter(w)
	fmt.Fprintf(b, "%s\n", e.DN)
	if !e.Object.IsZero() {
		fmt.Fprintf(b, "  objectGUID    %s\n", e.Object)
	}
	if e.Track != "" {
		fmt.Fprintf(b, "  track         %s\n", e.Track)
	}
	scope := "in scope"
	if !e.InScope {
		scope = "not in scope: " + e.Where
	}
	fmt.Fprintf(b, "  scope         %s\n", scope)
	for _, c := range e.Conditions {
		mark := "ok"
		if !c.OK {
			mark = "FAILS"
		}
		fmt.Fprintf(b, "  condition     %s: %s", c.ID, mark)
		if c.Reason != "" {
			fmt.Fprintf(b, " (%s)", c.Reason)
		}
		fmt.Fprintln(b)
	}
	if e.Join != "" {
		fmt.Fprintf(b, "  counterpart   %s\n", e.Join)
	}
	if !e.Target.IsZero() {
		fmt.Fprintf(b, "                %s %s\n", e.TargetDN, e.Target)
	}
	for _, r := range e.Rules {
		fmt.Fprintf(b, "  rule          %s", r.To)
		if r.Rule != r.To {
			fmt.Fprintf(b, " (%s)", r.Rule)
		}
		switch {
		case r.Error != "":
			fmt.Fprintf(b, ": failed: %s", r.Error)
		case r.Kind == KindSet:
			fmt.Fprintf(b, ": set %s", r.Values)
		default:
			fmt.Fprintf(b, ": %s", r.Kind)
		}
		if r.Reason != "" {
			fmt.Fprintf(b, " (%s)", r.Reason)
		}
		for i, in := range r.Inputs {
			sep := ", "
			if i == 0 {
				sep = "  <- "
			}
			fmt.Fprintf(b, "%s%s=%s", sep, in.Attr, in.Values)
		}
		fmt.Fprintln(b)
	}
	for _, o := range e.Owned {
		fmt.Fprintf(b, "  written       %s by rule %s; before that it was %s\n", o.Attr, o.Rule, o.PreImage)
	}
	if len(e.Items) == 0 {
		fmt.Fprintln(b, "  plan          nothing to do")
	}
	for _, it := range e.Items {
		fmt.Fprintf(b, "  plan          %s: %s\n", it.Action, it.Reason)
		if it.Action == ActionRename {
			fmt.Fprintf(b, "                name: %q -> %q\n", it.OldName, it.NewName)
		}
		for _, x := range it.Edits {
			fmt.Fprintf(b, "                %s: %s -> %s [%s; %s]\n", x.Attr, x.Before, x.After, x.Rule, x.Reason)
		}
		for _, n := range it.Notes {
			fmt.Fprintf(b, "                %s left as it is: %s\n", n.Attr, n.Reason)
		}
	}
	for _, t := range e.Trips {
		fmt.Fprintf(b, "  guard         %s blocks the plan as a whole: %s\n", t.Guard, t.Saw)
	}
	return b.Flush()
}
