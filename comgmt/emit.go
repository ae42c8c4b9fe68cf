package comgmt

import (
	"bytes"
	"fmt"
	"html/template"
	"strings"
)

// PowerShell returns a script for the Configuration Manager console's PowerShell that creates the plan's policies and
// deploys them: one production policy with the sliders at Intune, one pilot policy per pilot collection, and one
// for automatic enrolment in mode pilot. It uses New-CMCoManagementPolicy; there is no Set-CMCoManagementPolicy, so a
// site that is co-managed already has to be changed in the console, and the script says so and stops. Names are
// quoted for PowerShell. It fails for a plan that [Plan.Lint] calls a failure.
func (p *Plan) PowerShell() (string, error) {
	for _, f := range p.Lint(Goals{}, nil) {
		if f.Status == StatusFailure {
			return "", fmt.Errorf("comgmt: %s: %s", f.Subject, f.Message)
		}
	}
	if p.Site != 0 && p.Site < 1902 {
		return "", fmt.Errorf("comgmt: New-CMCoManagementPolicy has no parameters for all workloads on site version %v (1902 or later)", p.Site)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "# Co-management policies for site version %v. Run in the site's drive of the Configuration Manager module.\n", p.Site)
	b.WriteString("#Requires -Modules ConfigurationManager\n$ErrorActionPreference = 'Stop'\n")
	b.WriteString("$existing = @(Get-CMConfigurationPolicy | Where-Object { $_.LocalizedDisplayName -like 'CoMgmtSettings*' })\n")
	b.WriteString("if ($existing.Count -gt 0) { throw 'The site has co-management policies already; change them in the console (there is no Set-CMCoManagementPolicy).' }\n")
	production := WorkloadSet(0)
	type pilot struct {
		collection string
		set        WorkloadSet
		enrol      bool
	}
	var pilots []pilot
	in := func(collection string) *pilot {
		for i := range pilots {
			if sameCollection(pilots[i].collection, collection) {
				return &pilots[i]
			}
		}
		pilots = append(pilots, pilot{collection: collection})
		return &pilots[len(pilots)-1]
	}
	if p.AutoEnrolment.Mode == EnrolPilot {
		for _, c := range nonEmpty([]string{p.AutoEnrolment.Collection}) {
			in(c).enrol = true
		}
	}
	for w := range AllWorkloads() {
		switch p.Setting(w).Slider {
		case SliderIntune:
			production = production.With(w)
		case SliderPilot:
			for _, c := range p.pilotCollections(w) {
				t := in(c)
				t.set = t.set.With(w)
			}
		}
	}
	write := func(name string, enrol bool, set WorkloadSet, collection string) {
		fmt.Fprintf(&b, "\n# %s\n$policy = @{\n    CoManagementPolicyName = %s\n    AutoEnroll = $%t\n", comment(collection+": "+set.Names()), quotePowerShell(name), enrol)
		for w := range AllWorkloads() {
			fmt.Fprintf(&b, "    %s = $%t\n", w.Parameter(), set.Has(w))
		}
		fmt.Fprintf(&b, "}\nNew-CMCoManagementPolicy @policy\nNew-CMConfigurationPolicyDeployment -CoManagementPolicyName %s -CollectionName %s\n", quotePowerShell(name), quotePowerShell(collection))
	}
	write("CoMgmtSettingsProd", p.AutoEnrolment.Mode == EnrolAll, production, "All Systems")
	for i, t := range pilots {
		// A pilot's members also get production: policies are OR-ed.
		write(fmt.Sprintf("CoMgmtSettingsPilot%d", i+1), t.enrol || p.AutoEnrolment.Mode == EnrolAll, t.set, t.collection)
	}
	return b.String(), nil
}

// quotePowerShell writes s as a PowerShell literal. PowerShell takes the typographic single quotes for quotes too.
func quotePowerShell(s string) string {
	var b strings.Builder
	b.WriteByte('\'')
	for _, r := range s {
		switch r {
		case '\'', '‘', '’', '‚', '‛':
			b.WriteRune(r)
			b.WriteRune(r)
		case '\r', '\n', 0:
			b.WriteByte(' ')
		default:
			b.WriteRune(r)
		}
	}
	b.WriteByte('\'')
	return b.String()
}

func comment(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == '\u2028' || r == '\u2029' || r == '\u0085' {
			return ' '
		}
		return r
	}, s)
}

// page is what the Markdown and HTML pages show.
type page struct {
	Title     string
	Site      string
	Enrolment string
	Rows      []pageRow
	Findings  []Finding
	Summary   []pageCount
	Devices   int
	Notes     []string
}

type pageRow struct{ Workload, Slider, Collection, Effect, Policy, Parameter string }
type pageCount struct {
	Workload                         string
	Intune, ConfigMgr, None, Unknown int
}

func (p *Plan) page(title string, devices []Device) page {
	out := page{Title: title, Site: p.Site.String(), Enrolment: p.AutoEnrolment.Mode.String(), Findings: p.Lint(Goals{}, devices), Devices: len(devices)}
	if p.AutoEnrolment.Mode == EnrolPilot {
		out.Enrolment += ": " + p.AutoEnrolment.Collection
	}
	dc := p.Setting(DeviceConfiguration).Slider
	for w := range AllWorkloads() {
		s := p.Setting(w)
		row := pageRow{Workload: w.Name(), Slider: s.Slider.String(), Policy: w.PilotPolicy(), Parameter: w.Parameter()}
		switch s.Slider {
		case SliderIntune:
			row.Effect = "Intune, on every enrolled device"
		case SliderPilot:
			row.Collection = strings.Join(p.pilotCollections(w), ", ")
			row.Effect = "Intune, on enrolled members of the collection"
		default:
			row.Effect = "Configuration Manager"
		}
		if w == ResourceAccess && p.Site.forcesResourceAccess() {
			row.Effect += " (fixed by the site version)"
		} else if (w == ResourceAccess || w == EndpointProtection) && dc > s.Slider {
			row.Effect += ", and along with Device Configuration"
		}
		out.Rows = append(out.Rows, row)
	}
	counts := make([]pageCount, numWorkloads)
	for _, d := range devices {
		e := p.Effective(d)
		for w := range AllWorkloads() {
			c := &counts[w-1]
			c.Workload = w.Name()
			switch e.Verdict(w).Authority {
			case AuthorityIntune:
				c.Intune++
			case AuthorityConfigMgr:
				c.ConfigMgr++
			case AuthorityNone:
				c.None++
			default:
				c.Unknown++
			}
		}
	}
	if len(devices) > 0 {
		out.Summary = counts
	}
	if f, err := EncodeFlags(p.Site, p.productionSet()); err == nil {
		out.Notes = append(out.Notes, fmt.Sprintf("A client that is in no pilot shows the capabilities %v (%s).", f, f.Hex()))
	}
	out.Notes = append(out.Notes, "Devices that are not enrolled in Intune stay with Configuration Manager in every workload.")
	return out
}

func (p *Plan) productionSet() WorkloadSet {
	var s WorkloadSet
	for w := range AllWorkloads() {
		if p.Setting(w).Slider == SliderIntune {
			s = s.With(w)
		}
	}
	return s
}

// Markdown returns a page that documents the plan and, with devices, its effect on them. The title may be empty.
func (p *Plan) Markdown(title string, devices []Device) string {
	g := p.page(title, devices)
	var b strings.Builder
	if title == "" {
		g.Title = "Co-management"
	}
	fmt.Fprintf(&b, "# %s\n\nSite version %s. Automatic enrolment: %s.\n\n", cell(g.Title), g.Site, cell(g.Enrolment))
	b.WriteString("| workload | slider | pilot collection | effect |\n|---|---|---|---|\n")
	for _, r := range g.Rows {
		fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", r.Workload, r.Slider, cell(r.Collection), r.Effect)
	}
	b.WriteString("\n")
	for _, n := range g.Notes {
		fmt.Fprintf(&b, "%s\n", n)
	}
	if g.Summary != nil {
		fmt.Fprintf(&b, "\n## Effect on %d devices\n\n| workload | Intune | Configuration Manager | neither | unknown |\n|---|---:|---:|---:|---:|\n", g.Devices)
		for _, c := range g.Summary {
			fmt.Fprintf(&b, "| %s | %d | %d | %d | %d |\n", c.Workload, c.Intune, c.ConfigMgr, c.None, c.Unknown)
		}
	}
	if len(g.Findings) > 0 {
		b.WriteString("\n## To look at\n\n")
		for _, f := range g.Findings {
			fmt.Fprintf(&b, "- **%v** %s: %s (%s) %s\n", f.Status, cell(f.Subject), cell(f.Message), f.Check, cell(f.Remedy))
		}
	}
	return b.String()
}

// cell makes text safe inside a Markdown table.
func cell(s string) string {
	return strings.NewReplacer("\\", "\\\\", "|", "\\|", "\r", " ", "\n", " ", "<", "&lt;", ">", "&gt;", "`", "\\`", "*", "\\*", "_", "\\_", "[", "\\[", "]", "\\]").Replace(s)
}

const htmlPage = `<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{{.Title}}</title>
<style>
body { font: 16px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 60rem; padding: 0 1rem; color: #1b1b1b; background: #fff }
table { border-collapse: collapse; width: 100% }
th, td { text-align: left; padding: .4rem .6rem; border-bottom: 1px solid #ccc; vertical-align: top }
td.n, th.n { text-align: right; font-variant-numeric: tabular-nums }
</style>
</head>
<body>
<h1>{{.Title}}</h1>
<p>Site version {{.Site}}. Automatic enrolment: {{.Enrolment}}.</p>
<table>
<thead><tr><th scope="col">Workload</th><th scope="col">Slider</th><th scope="col">Pilot collection</th><th scope="col">Effect</th></tr></thead>
<tbody>
{{- range .Rows}}
<tr><th scope="row">{{.Workload}}</th><td>{{.Slider}}</td><td>{{.Collection}}</td><td>{{.Effect}}</td></tr>
{{- end}}
</tbody>
</table>
{{- range .Notes}}
<p>{{.}}</p>
{{- end}}
{{- if .Summary}}
<h2>Effect on {{.Devices}} devices</h2>
<table>
<thead><tr><th scope="col">Workload</th><th class="n" scope="col">Intune</th><th class="n" scope="col">Configuration Manager</th><th class="n" scope="col">Neither</th><th class="n" scope="col">Unknown</th></tr></thead>
<tbody>
{{- range .Summary}}
<tr><th scope="row">{{.Workload}}</th><td class="n">{{.Intune}}</td><td class="n">{{.ConfigMgr}}</td><td class="n">{{.None}}</td><td class="n">{{.Unknown}}</td></tr>
{{- end}}
</tbody>
</table>
{{- end}}
{{- if .Findings}}
<h2>To look at</h2>
<ul>
{{- range .Findings}}
<li><strong>{{.Status}}</strong> {{.Subject}}: {{.Message}} <small>({{.Check}})</small> {{.Remedy}}</li>
{{- end}}
</ul>
{{- end}}
</body>
</html>
`

// HTML returns the page of [Plan.Markdown] as a self-contained HTML document.
func (p *Plan) HTML(title string, devices []Device) (string, error) {
	if title == "" {
		title = "Co-management"
	}
	t, err := template.New("page").Parse(htmlPage)
	if err != nil {
		return "", err
	}
	var b bytes.Buffer
	if err := t.Execute(&b, p.page(title, devices)); err != nil {
		return "", err
	}
	return b.String(), nil
}
