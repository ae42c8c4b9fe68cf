package dsregtest_test

import (
	"fmt"
	"strings"
	"testing"

	"go.internal/hybridkit/dsreg"
	"go.internal/hybridkit/dsreg/dsregtest"
)

func TestStates(t *testing.T) {
	for s, want := range map[dsregtest.State]dsreg.JoinState{dsregtest.Hybrid: dsreg.HybridJoined, dsregtest.Entra: dsreg.EntraJoined, dsregtest.Domain: dsreg.DomainJoined,
		dsregtest.Registered: dsreg.Registered, dsregtest.Workgroup: dsreg.NotJoined, dsregtest.DRS: dsreg.DRSJoined} {
		st := dsregtest.New(s).Status(t)
		if st.Join() != want {
			t.Errorf("state %d is %s, want %s", s, st.Join(), want)
		}
		for f := range st.Fields() {
			if !f.Known() {
				t.Errorf("state %d has a row that the catalogue does not know: %s", s, f.Label)
			}
		}
		if d := dsreg.Diagnose(st, dsreg.Expectation{}); d.Worst() > dsreg.Info {
			t.Errorf("state %d is not healthy: %+v", s, d.Findings[0])
		}
	}
}

func TestBuilder(t *testing.T) {
	r := dsregtest.New(dsregtest.Workgroup).Set("User State", "NgcSet", "YES").InsertAfter("User State", "NgcSet", "NgcKeyId", "{x}").InsertAfter("New Box", "", "A", "1").
		Remove("User State", "WamDefaultSet").RemoveSection("SSO State").Section("Device Details", "DeviceId", "d")
	text := r.String()
	for _, want := range []string{"NgcSet : YES\n                  NgcKeyId : {x}\n", "| New Box ", "A : 1"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	for _, gone := range []string{"WamDefaultSet", "SSO State"} {
		if strings.Contains(text, gone) {
			t.Errorf("%q is still there", gone)
		}
	}
	if strings.Index(text, "Device Details") > strings.Index(text, "User State") {
		t.Error("a new section goes to its place in the print order")
	}
	for _, line := range strings.Split(dsregtest.New(dsregtest.Hybrid).String(), "\n") {
		if i := strings.Index(line, " : "); i > 0 && i != 26 {
			t.Errorf("labels end in column 26: %q", line)
		}
	}
}

func TestEncodings(t *testing.T) {
	r := dsregtest.New(dsregtest.Workgroup).Set("Device State", "Device Name", "é")
	for e, want := range map[dsregtest.Encoding]string{dsregtest.UTF8: "\xc3\xa9", dsregtest.UTF8BOM: "\xc3\xa9", dsregtest.UTF16LE: "\xe9\x00", dsregtest.UTF16LEBOM: "\xe9\x00", dsregtest.UTF16BEBOM: "\x00\xe9", dsregtest.CP1252: " \xe9"} {
		if b := string(r.Render(dsregtest.Format{Encoding: e})); !strings.Contains(b, want) {
			t.Errorf("encoding %d has no %q", e, want)
		}
	}
	if n := len(r.Render(dsregtest.Format{Cut: 100})); n != 100 {
		t.Errorf("cut to %d bytes", n)
	}
}

func ExampleNew() {
	// What our own mapping makes of a device whose token is gone.
	report := dsregtest.New(dsregtest.Hybrid).Set("SSO State", "AzureAdPrt", "NO")
	st, err := dsreg.ParseString(report.String())
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(st.Join(), st.PRT())
	// Output: hybrid-joined no
}
