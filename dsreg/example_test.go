package dsreg_test

import (
	"fmt"
	"strings"

	"go.internal/hybridkit/dsreg"
	"go.internal/hybridkit/dsreg/dsregtest"
)

const pasted = `PS C:\Users\r.okafor> dsregcmd /status

+----------------------------------------------------------------------+
| Device State                                                         |
+----------------------------------------------------------------------+

             AzureAdJoined : NO
          EnterpriseJoined : NO
              DomainJoined : YES
                DomainName : ASHDOWN

+----------------------------------------------------------------------+
| User State                                                           |
+----------------------------------------------------------------------+

           WorkplaceJoined : NO

+----------------------------------------------------------------------+
| Diagnostic Data                                                      |
+----------------------------------------------------------------------+

              User Context : SYSTEM
               Client Time : 2026-03-04 09:30:00.000 UTC
      AD Connectivity Test : PASS
     AD Configuration Test : FAIL [0x80070002]
        DRS Discovery Test : SKIPPED
`

func ExampleParse() {
	st, err := dsreg.Parse(strings.NewReader(pasted))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(st.Join())
	test := &st.Diagnostics.Pre.ADConfigurationTest
	fmt.Println(test.Result, test.Outer, "line", test.Line)
	// Output:
	// domain-joined
	// fail 0x80070002 line 25
}

func ExampleDiagnose() {
	st, err := dsreg.Parse(strings.NewReader(pasted))
	if err != nil {
		fmt.Println(err)
		return
	}
	d := dsreg.Diagnose(st, dsreg.Expectation{Join: dsreg.HybridJoined})
	for _, f := range d.Findings {
		if f.Severity == dsreg.Error {
			fmt.Printf("%s (%s): %s\n", f.ID, f.Phase, f.Title)
		}
	}
	// Output:
	// domain-only-scp-missing (discover): The device finds no service connection point
	// join-state-unexpected (join): The device is not joined as wanted
}

func ExampleStatus_Fields() {
	st, err := dsreg.ParseString("| SSO State |\n  AzureAdPrt : NO\n  ShinyNewRow : 7\n")
	if err != nil {
		fmt.Println(err)
		return
	}
	for f := range st.Fields() {
		fmt.Printf("%d [%s] %s = %s, known: %v\n", f.Line, f.Section, f.Label, f.Value, f.Known())
	}
	// Output:
	// 2 [SSO State] AzureAdPrt = NO, known: true
	// 3 [SSO State] ShinyNewRow = 7, known: false
}

func ExampleExplain() {
	for _, text := range []string{"-2145647630", "0xd000023c", "0xcaa82ee7"} {
		code, err := dsreg.ParseCode(text)
		if err != nil {
			fmt.Println(err)
			return
		}
		e := dsreg.Explain(code)
		fmt.Println(code, e.Family, e.Symbol)
	}
	// Output:
	// 0x801c03f2 device registration DSREG_E_DIRECTORY_FAILURE
	// 0xd000023c NTSTATUS as HRESULT STATUS_NETWORK_UNREACHABLE
	// 0xcaa82ee7 ADAL network (WinHTTP) WININET_E_NAME_NOT_RESOLVED (12007)
}

func ExampleCompare() {
	before, err := dsreg.ParseString(dsregtest.New(dsregtest.Hybrid).String())
	if err != nil {
		fmt.Println(err)
		return
	}
	after, err := dsreg.ParseString(dsregtest.New(dsregtest.Domain).String())
	if err != nil {
		fmt.Println(err)
		return
	}
	c := dsreg.Compare(before, after, dsreg.Expectation{})
	fmt.Println(c.Before, "->", c.After, "removed:", c.ConfirmsLeave())
	// Output: hybrid-joined -> domain-joined removed: true
}

func ExampleRedact() {
	clean, err := dsreg.Redact("| Device State |\n  AzureAdJoined : YES\n  DomainName : ASHDOWN\n  Device Name : av-lt-0417.ashdown.example\n")
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Print(clean)
	// Output:
	// | Device State |
	//   AzureAdJoined : YES
	//   DomainName : REDACTED-DOMAIN-1
	//   Device Name : redacted-pc-1.domain1.redacted.example
}

func ExampleDecode() {
	input := strings.NewReader(dsregtest.New(dsregtest.Hybrid).String() + dsregtest.New(dsregtest.Workgroup).String())
	var fleet dsreg.Fleet
	for st, err := range dsreg.Decode(input) {
		if err != nil {
			fmt.Println(err)
			return
		}
		fleet.Add(fmt.Sprint("capture ", st.Index), st)
	}
	for _, j := range fleet.Summary().JoinStates {
		fmt.Println(j.Count, j.State)
	}
	// Output:
	// 1 hybrid-joined
	// 1 not-joined
}

func ExampleCatalog() {
	for _, l := range dsreg.Catalog() {
		if l.Name == "OnPremTgt" {
			fmt.Printf("[%s] %s (%s): %s\n", l.Section, l.Name, l.Type, l.Meaning)
		}
	}
	// Output: [SSO State] OnPremTgt (yesno): Cloud-Kerberos partial TGT for on-premises.
}
