package gpp_test

import (
	"fmt"
	"os"
	"strings"

	"go.internal/hybridkit/registry"
	"go.internal/hybridkit/registry/gpp"
)

func ExampleDecode() {
	file := strings.NewReader(`<RegistrySettings><Registry name="TenantName"><Properties action="U" hive="HKEY_LOCAL_MACHINE"` +
		` key="SOFTWARE\Microsoft\Windows\CurrentVersion\CDJ\AAD" name="TenantName" type="REG_SZ" value="ashdown.example"/></Registry></RegistrySettings>`)
	for e, err := range gpp.Decode(file) {
		fmt.Println(e, err)
	}
	// Output: set HKLM\SOFTWARE\Microsoft\Windows\CurrentVersion\CDJ\AAD TenantName REG_SZ "ashdown.example" <nil>
}

func ExampleEncode() {
	delta := registry.Delta{{Op: registry.Set, Path: registry.HKLM(`SOFTWARE\Ashdown`), Name: "Limit", Value: registry.DWord(65534)}}
	var b strings.Builder
	if err := gpp.Encode(&b, func(yield func(registry.Entry) bool) { yield(delta[0]) }); err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	fmt.Println(strings.Contains(b.String(), `type="REG_DWORD" value="0000FFFE"`))
	// Output: true
}

func ExampleFacts_Eval() {
	facts := &gpp.Facts{Site: "HQ"}
	v := facts.Eval([]gpp.Filter{
		{Kind: "FilterSite", Attrs: []gpp.Attr{{Name: "name", Value: "HQ"}}},
		{Kind: "FilterGroup", Attrs: []gpp.Attr{{Name: "name", Value: `ASHDOWN\Pilot`}}},
	})
	fmt.Println(v.Applies, v.Missing)
	// Output: unknown [groups of the computer]
}

// Everything that is not touched stays byte for byte, attributes this package does not know included.
func ExampleParse() {
	doc, err := gpp.Parse([]byte(`<RegistrySettings><!-- pilot --><Registry name="TenantName" house="rule"><Properties action="U"` +
		` hive="HKEY_LOCAL_MACHINE" key="SOFTWARE\Ashdown" name="TenantName" type="REG_SZ" value="ashdown.example"/></Registry></RegistrySettings>`))
	if err != nil {
		fmt.Println(err)
		return
	}
	for node := range doc.All() {
		if node.Kind == gpp.Registry {
			node.Properties.SetValue(registry.String("vale.example"))
		}
	}
	fmt.Printf("%s\n", doc.Bytes())
	// Output: <RegistrySettings><!-- pilot --><Registry name="TenantName" house="rule"><Properties action="U" hive="HKEY_LOCAL_MACHINE" key="SOFTWARE\Ashdown" name="TenantName" type="REG_SZ" value="vale.example"/></Registry></RegistrySettings>
}
