package adsec

import "go.internal/hybridkit/ldapsync"

// propertySets are the property sets of Active Directory whose attributes organisations synchronise ([MS-ADTS]
// section 3.1.1.2.3.3), by their rightsGuid.
var propertySets = map[string]string{
	"59ba2f42-79a2-11d0-9020-00c04fc2d3cf": "General-Information",
	"e48d0154-bcf8-11d1-8702-00c04fb96050": "Public-Information",
	"77b5b886-944a-11d1-aebd-0000f80367c1": "Personal-Information",
	"4c164200-20c0-11d0-a768-00aa006e0529": "User-Account-Restrictions",
	"72e39547-7b18-11d1-adef-00c04fd8d5cd": "DNS-Host-Name-Attributes",
}

// PropertySetName returns the name of a property set that Active Directory has from the start, of any other the
// text form of the GUID, and "" for the zero GUID.
func PropertySetName(id ldapsync.GUID) string {
	if id.IsZero() {
		return ""
	}
	text := id.String()
	if name, ok := propertySets[text]; ok {
		return name
	}
	return text
}
