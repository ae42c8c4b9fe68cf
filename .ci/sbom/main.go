// Command sbom writes a CycloneDX 1.5 bill of materials for Go binaries: the modules that are in them, from the build
// information in the files themselves, with the checksums of go.sum.
//
//	go run ./.ci/sbom FILE… >bom.json
package main

import (
	"debug/buildinfo"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

type component struct {
	Type    string   `json:"type"`
	Name    string   `json:"name"`
	Version string   `json:"version"`
	PURL    string   `json:"purl"`
	Hashes  []hash   `json:"hashes,omitempty"`
	UsedBy  []string `json:"-"`
	Props   []prop   `json:"properties,omitempty"`
}

type hash struct {
	Alg     string `json:"alg"`
	Content string `json:"content"`
}

type prop struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

func main() {
	if len(os.Args) < 2 {
		fmt.Fprintln(os.Stderr, "usage: sbom FILE…")
		os.Exit(2)
	}
	found := make(map[string]*component)
	version := ""
	for _, file := range os.Args[1:] {
		info, err := buildinfo.ReadFile(file)
		if err != nil {
			fmt.Fprintf(os.Stderr, "sbom: %s: %v\n", file, err)
			os.Exit(2)
		}
		version = info.Main.Version
		add := func(path, v, sum string) {
			c := found[path+"@"+v]
			if c == nil {
				c = &component{Type: "library", Name: path, Version: v, PURL: "pkg:golang/" + path + "@" + v}
				if raw, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(sum, "h1:")); err == nil && len(raw) == 32 {
					c.Hashes = []hash{{"SHA-256", hex.EncodeToString(raw)}}
				}
				found[path+"@"+v] = c
			}
			c.UsedBy = append(c.UsedBy, filepath.Base(file))
		}
		add("std", strings.TrimPrefix(info.GoVersion, "go"), "")
		for _, m := range info.Deps {
			for m.Replace != nil {
				m = m.Replace
			}
			add(m.Path, m.Version, m.Sum)
		}
	}
	all := make([]*component, 0, len(found))
	for _, c := range found {
		slices.Sort(c.UsedBy)
		c.Props = []prop{{"hybridkit:used-by", strings.Join(slices.Compact(c.UsedBy), " ")}}
		all = append(all, c)
	}
	slices.SortFunc(all, func(a, b *component) int { return strings.Compare(a.PURL, b.PURL) })
	out := json.NewEncoder(os.Stdout)
	out.SetIndent("", "  ")
	out.SetEscapeHTML(false)
	err := out.Encode(map[string]any{
		"bomFormat": "CycloneDX", "specVersion": "1.5", "version": 1,
		"metadata":   map[string]any{"component": map[string]string{"type": "application", "name": "go.internal/hybridkit", "version": version}},
		"components": all,
	})
	if err != nil {
		fmt.Fprintln(os.Stderr, "sbom:", err)
		os.Exit(2)
	}
}
