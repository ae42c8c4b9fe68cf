package main

import (
	"embed"
	"io"
)

// demoFiles are made by demo/gen.go: a computer of Ashdown Vale whose Group Policy loses against another one.
//
//go:embed demo
var demoFiles embed.FS

// demoPrefix marks names of embedded files.
const demoPrefix = "embedded:"

// demo sets the flags to the embedded sample.
func (a *app) demo() {
	files := a.open
	a.open = func(name string) (io.ReadCloser, error) {
		if len(name) > len(demoPrefix) && name[:len(demoPrefix)] == demoPrefix {
			return demoFiles.Open(name[len(demoPrefix):])
		}
		return files(name)
	}
	file := func(name string) string { return demoPrefix + "demo/" + name }
	a.ad, a.copies, a.entra = list{file("directory.ldif")}, list{file("provisioning.ldif")}, list{file("devices.json")}
	a.ou = "OU=HybridComputers,DC=ashdown,DC=example"
	a.capture, a.sysvol, a.links = file("dsregcmd.txt"), file("sysvol"), file("links.json")
	a.profile = file("scep.json")
	a.tenantID, a.tenantName = "4d1c2f6e-8a53-4b7e-9c21-6f0a5e7b1d38", "ashdown.example"
	a.since, a.at = "2026-03-04T06:00:00Z", "2026-03-04T09:30:00Z"
}
