// Package comgmttest lets a team assert a co-management roll-out in go test, before a slider is moved:
//
//	plan := comgmttest.LoadPlan(t, "testdata/after.json")
//	device := comgmttest.Managed("AV-1042", "Pilot Updates")
//	comgmttest.Intune(t, plan, device, comgmt.WindowsUpdate)
//
// A failure prints the rule and the evidence behind the answer. The package also has a [Resolver] for DNS checks without DNS.
// It does not talk to a site or to Intune: collection membership is what the test says it is.
package comgmttest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"go.internal/hybridkit/comgmt"
)

// LoadPlan reads a plan file; a file that cannot be read or has unknown members ends the test.
func LoadPlan(t testing.TB, file string) *comgmt.Plan {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatalf("plan: %v", err)
		return nil
	}
	defer f.Close()
	p, err := comgmt.DecodePlan(f)
	if err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	return p
}

// LoadDevices reads a file with an array of devices; a file that cannot be read or has unknown members ends the test.
func LoadDevices(t testing.TB, file string) []comgmt.Device {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatalf("devices: %v", err)
		return nil
	}
	defer f.Close()
	var out []comgmt.Device
	for d, err := range comgmt.DecodeDevices(f) {
		if err != nil {
			t.Fatalf("%s: %v", file, err)
			return nil
		}
		out = append(out, d)
	}
	return out
}

// Find returns the device with the name, compared without case; none ends the test.
func Find(t testing.TB, devices []comgmt.Device, name string) comgmt.Device {
	t.Helper()
	for _, d := range devices {
		if strings.EqualFold(d.Name, name) {
			return d
		}
	}
	t.Fatalf("no device is called %q", name)
	return comgmt.Device{}
}

// Managed returns a co-managed device: hybrid joined, Windows 11, enrolled in Intune with Configuration Manager as the
// authority, member of exactly the collections named.
func Managed(name string, collections ...string) comgmt.Device {
	return comgmt.Device{
		Name: name, OS: "Windows 11 Enterprise", Join: comgmt.HybridJoined, Enrolment: comgmt.EnrolmentIntune,
		Collections: append([]string{}, collections...), ConfigInfo: comgmt.ConfigInfoConfigMgr,
	}
}

// NotEnrolled returns a device like [Managed]'s that is not enrolled in Intune.
func NotEnrolled(name string, collections ...string) comgmt.Device {
	d := Managed(name, collections...)
	d.Enrolment, d.ConfigInfo = comgmt.EnrolmentNone, comgmt.ConfigInfoAbsent
	return d
}

// Intune asserts that Intune manages each of the workloads on the device.
func Intune(t testing.TB, p *comgmt.Plan, d comgmt.Device, ws ...comgmt.Workload) {
	t.Helper()
	for _, w := range ws {
		Want(t, p, d, w, comgmt.AuthorityIntune)
	}
}

// ConfigMgr asserts that Configuration Manager manages each of the workloads on the device.
func ConfigMgr(t testing.TB, p *comgmt.Plan, d comgmt.Device, ws ...comgmt.Workload) {
	t.Helper()
	for _, w := range ws {
		Want(t, p, d, w, comgmt.AuthorityConfigMgr)
	}
}

// Want asserts who manages a workload on the device.
func Want(t testing.TB, p *comgmt.Plan, d comgmt.Device, w comgmt.Workload, want comgmt.Authority) {
	t.Helper()
	if v := p.Effective(d).Verdict(w); v.Authority != want {
		t.Errorf("%s, %v: managed by %v, want %v\n%s", d.Name, w, v.Authority, want, why(v))
	}
}

func why(v comgmt.Verdict) string {
	var b strings.Builder
	rule, _ := comgmt.RuleByID(v.Rule)
	fmt.Fprintf(&b, "\trule %s (%v): %s\n", v.Rule, v.Basis, rule.Title)
	for _, e := range v.Evidence {
		fmt.Fprintf(&b, "\tbecause: %s\n", e)
	}
	for _, c := range v.Changes {
		fmt.Fprintf(&b, "\twould change: %s\n", c)
	}
	return strings.TrimRight(b.String(), "\n")
}

// Moves asserts that going from one plan to the other changes the authority of exactly the workloads named on the device;
// none named asserts that nothing changes hands.
func Moves(t testing.TB, from, to *comgmt.Plan, d comgmt.Device, ws ...comgmt.Workload) {
	t.Helper()
	c, _ := comgmt.Diff(from, to, d)
	var got comgmt.WorkloadSet
	for w := range c.Workloads {
		got = got.With(w)
	}
	want := comgmt.NewWorkloadSet(ws...)
	if got == want {
		return
	}
	var b strings.Builder
	for w := range (got | want).All() {
		if got.Has(w) && !want.Has(w) {
			fmt.Fprintf(&b, "\n%v moves from %v to %v, unexpectedly\n%s", w, c.Workloads[w].From.Authority, c.Workloads[w].To.Authority, why(c.Workloads[w].To))
		} else if want.Has(w) && !got.Has(w) {
			v := to.Effective(d).Verdict(w)
			fmt.Fprintf(&b, "\n%v does not move: it stays with %v\n%s", w, v.Authority, why(v))
		}
	}
	t.Errorf("%s:%s", d.Name, b.String())
}

// Flags asserts the number the device should show under the plan.
func Flags(t testing.TB, p *comgmt.Plan, d comgmt.Device, want comgmt.Flags) {
	t.Helper()
	switch got := p.Expect(d).Flags; {
	case got == nil:
		t.Errorf("%s: the capabilities cannot be predicted, want %v", d.Name, want)
	case *got != want:
		t.Errorf("%s: capabilities %v (%v), want %v (%v)", d.Name, *got, got.Workloads(), want, want.Workloads())
	}
}

// Sound asserts that the plan has no failures and no warnings, except those whose check is named.
func Sound(t testing.TB, p *comgmt.Plan, goals comgmt.Goals, devices []comgmt.Device, except ...string) {
	t.Helper()
	allowed := map[string]bool{}
	for _, id := range except {
		if _, ok := comgmt.CheckByID(id); !ok {
			t.Errorf("no check is called %q", id)
		}
		allowed[id] = true
	}
	for _, f := range p.Lint(goals, devices) {
		if f.Status.Problem() && !allowed[f.Check] {
			t.Errorf("%s: %v: %s: %s\n\tremedy: %s", f.Check, f.Status, f.Subject, f.Message, f.Remedy)
		}
	}
}

// A Resolver is CNAME records in a literal, host in lower case to target. A host that is not in it has no record; the target
// [ServerFailure] makes the question fail. It implements comgmt.Resolver.
type Resolver map[string]string

// ServerFailure is the target of a host whose question fails with [ErrServer].
const ServerFailure = "\x00"

// ErrServer is the failure of a question.
var ErrServer = errors.New("comgmttest: the DNS server did not answer")

// CNAME returns the target of host.
func (r Resolver) CNAME(ctx context.Context, host string) (string, error) {
	if err := ctx.Err(); err != nil {
		return "", err
	}
	target := r[strings.ToLower(strings.TrimSuffix(host, "."))]
	if target == ServerFailure {
		return "", ErrServer
	}
	return target, nil
}
