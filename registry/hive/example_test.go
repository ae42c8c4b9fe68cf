package hive_test

import (
	"bytes"
	"fmt"

	"go.internal/hybridkit/registry"
	"go.internal/hybridkit/registry/hive"
)

func ExampleDecoder_Decode() {
	file := bytes.NewReader(build(&tkey{name: "SOFTWARE", subs: []*tkey{{name: "Microsoft", subs: []*tkey{
		{name: "Cryptography", subs: []*tkey{{name: "MSCEP", values: []tvalue{
			{name: "SignatureTemplate", typ: registry.TypeSZ, data: registry.String("AshdownNDES").Data}}}}}}}}}))
	for e, err := range (hive.Decoder{Root: registry.HKLM("SOFTWARE")}).Decode(file) {
		if err != nil {
			fmt.Println(err)
			return
		}
		if e.Op == registry.Set {
			fmt.Println(e)
		}
	}
	// Output: set HKLM\SOFTWARE\Microsoft\Cryptography\MSCEP SignatureTemplate REG_SZ "AshdownNDES"
}

func ExampleHive_Lookup() {
	h, err := hive.Open(build(&tkey{name: "SYSTEM", subs: []*tkey{{name: "Select", values: []tvalue{
		{name: "Current", typ: registry.TypeDWord, data: registry.DWord(2).Data, inline: true}}}}}), hive.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	k, err := h.Lookup("select")
	if err != nil {
		fmt.Println(err)
		return
	}
	v, _ := k.Value("current")
	data, _ := v.Data()
	fmt.Println(k.Name(), v.Name(), v.Type(), data)
	// Output: Select Current REG_DWORD [2 0 0 0]
}
