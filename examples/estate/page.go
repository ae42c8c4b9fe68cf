package main

import (
	_ "embed"
	"encoding/json"
	"html/template"
	"io"
	"strings"

	"go.internal/hybridkit/comgmt"
)

// pageText is the page. It asks nothing of the network, which its own content security policy forbids.
//
//go:embed page.html
var pageText string

// pageData is what the page's script gets: rows as arrays, because there may be 100,000 of them.
type pageData struct {
	Summary    *summary `json:"summary"`
	Kinds      []kind   `json:"kinds"`
	States     []string `json:"states"`
	Severities []string `json:"severities"`
	Tenants    []string `json:"tenants"`
	Workloads  []string `json:"workloads"`
	// Rows are name, state, severity, tenant, token age, certificate days, findings, authorities (a digit a workload).
	Rows [][8]any `json:"rows"`
}

func (e *estate) writePage(w io.Writer, title string, list []*device, s *summary) error {
	t, err := template.New("page").Parse(pageText)
	if err != nil {
		return err
	}
	d := pageData{Summary: s, Kinds: e.kinds, Severities: []string{"none", "info", "warning", "error"}, Tenants: []string{""}, Rows: make([][8]any, 0, len(list))}
	for wl := range comgmt.AllWorkloadSet().All() {
		d.Workloads = append(d.Workloads, wl.String())
	}
	states, tenants := map[string]int{}, map[string]int{"": 0}
	index := func(m map[string]int, names *[]string, name string) int {
		n, ok := m[name]
		if !ok {
			n = len(*names)
			m[name] = n
			*names = append(*names, name)
		}
		return n
	}
	age := func(n int32) any {
		if n == unknownAge {
			return nil
		}
		return n
	}
	for _, dev := range list {
		findings := dev.findings
		if findings == nil {
			findings = []uint16{}
		}
		var auth strings.Builder
		for _, a := range dev.authorities() {
			auth.WriteByte('0' + byte(a))
		}
		d.Rows = append(d.Rows, [8]any{dev.name, index(states, &d.States, dev.state()), int(dev.worst), index(tenants, &d.Tenants, dev.tenant), age(dev.prtHours), age(dev.certDays), findings, auth.String()})
	}
	b, err := json.Marshal(d) // escapes <, > and &, so the text cannot end its element
	if err != nil {
		return err
	}
	return t.Execute(w, struct {
		Title string
		Data  template.JS
	}{title, template.JS(b)})
}
