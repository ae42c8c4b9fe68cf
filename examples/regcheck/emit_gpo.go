package main

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"

	"go.internal/hybridkit/registry"
	"go.internal/hybridkit/registry/gpo"
)

// emitGPO writes the folder of a Group Policy Object. Form gpo takes preferences if a value lies outside of the policy keys, as
// Microsoft's documentation does it for the service connection point, and a Registry.pol otherwise.
func (a *app) emitGPO(schema registry.Schema, delta registry.Delta) (int, error) {
	if a.output == "" || a.output == "-" {
		return 0, usagef("a Group Policy Object is a folder; -o names it")
	}
	c := gpo.Content{Name: a.gpoName, Domain: a.domain, Comment: "made from schema " + schema.Name, Backup: a.backup}
	if c.Name == "" {
		c.Name = schema.Title
	}
	for _, e := range delta {
		if e.Path.Hive == registry.CurrentUser {
			c.User = append(c.User, e)
		} else {
			c.Computer = append(c.Computer, e)
		}
	}
	switch a.as {
	case "gpo":
		c.Preferences = slices.ContainsFunc(delta, func(e registry.Entry) bool { return registry.Tattoos(e.Path) })
	case "gpo-gpp":
		c.Preferences = true
	}
	names, err := gpo.Write(a.output, c)
	if errors.Is(err, fs.ErrExist) {
		return 0, fmt.Errorf("%w; nothing is overwritten", err)
	}
	for _, n := range names {
		fmt.Fprintln(a.out, filepath.Join(a.output, filepath.FromSlash(n)))
	}
	return a.finish(err)
}
