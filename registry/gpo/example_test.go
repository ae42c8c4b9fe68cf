package gpo_test

import (
	"fmt"
	"strings"

	"go.internal/hybridkit/registry"
	"go.internal/hybridkit/registry/gpo"
)

func ExampleEstate_Effective() {
	tenant := func(name string) gpo.Settings {
		return gpo.Settings{Entries: []registry.Entry{{Op: registry.Set, Path: cdj, Name: "TenantName", Value: registry.String(name)}}}
	}
	estate := &gpo.Estate{
		Containers: []gpo.Container{
			{DN: "DC=ashdown,DC=example", Kind: gpo.Domain, Links: []gpo.Link{{GPO: "All devices", Enforced: true}}},
			{DN: "OU=Lab,DC=ashdown,DC=example", Links: []gpo.Link{{GPO: "Lab"}}},
		},
		GPOs: []gpo.GPO{
			{ID: "all", Name: "All devices", Computer: tenant("ashdown.example")},
			{ID: "lab", Name: "Lab", Computer: tenant("lab.ashdown.example")},
		},
	}
	result, err := estate.Effective(gpo.Target{DN: "OU=Lab,DC=ashdown,DC=example"})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, v := range result.Values {
		fmt.Println(v.Name, v.Value)
		fmt.Println("  from", v.Winner.Link)
		for _, l := range v.Losers {
			fmt.Println("  not", l)
		}
	}
	// Output:
	// TenantName "ashdown.example"
	//   from All devices (link 1 of DC=ashdown,DC=example, enforced)
	//   not REG_SZ "lab.ashdown.example" from Lab (link 1 of OU=Lab,DC=ashdown,DC=example), policy: enforced (All devices (link 1 of DC=ashdown,DC=example, enforced) is enforced)
}

func ExampleReadLinks() {
	estate, err := gpo.ReadLinks(strings.NewReader(`{"containers": [{"dn": "OU=Lab,DC=ashdown,DC=example", "links": [{"gpo": "Lab"}]}]}`))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(estate.Containers[0].DN, estate.Containers[0].Links)
	// Output: OU=Lab,DC=ashdown,DC=example [{Lab false false}]
}

func ExampleContent_Files() {
	c := gpo.Content{Name: "Hybrid join", Domain: "ashdown.example", Preferences: true, Computer: registry.Delta{
		{Op: registry.Set, Path: cdj, Name: "TenantName", Value: registry.String("ashdown.example")}}}
	files, err := c.Files() // gpo.Write(dir, c) writes them
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, f := range files {
		fmt.Println(f.Name)
	}
	// Output:
	// {30664AD1-61A5-5FCB-ACA7-BCED5798D285}/GPT.INI
	// {30664AD1-61A5-5FCB-ACA7-BCED5798D285}/Machine/Preferences/Registry/Registry.xml
	// {30664AD1-61A5-5FCB-ACA7-BCED5798D285}.ldif
}
