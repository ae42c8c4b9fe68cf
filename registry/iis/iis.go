// Package iis checks the request limits of IIS that NDES needs. They are not in the registry but in
// %windir%\System32\inetsrv\config\applicationHost.config (or a web.config), beside the limits of HTTP.sys which
// registry.HTTPSys checks; a SCEP request has to pass both.
//
//	config, err := iis.Parse(file)
//	for d := range config.Drift("applicationHost.config", iis.Want{}) { fmt.Println(d) }
//
// Limits are inherited: a location's own value wins over that of the site, and that over the global one. Most guides check only
// the site, where maxQueryString changes nothing for NDES, because the role installer writes its own at the locations
// CertSrv/mscep and CertSrv/mscep_admin (Microsoft, IIS requestLimits; configuration written by the role on Windows
// Server 2022). This package imports only the standard library.
package iis

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"iter"
	"strconv"
	"strings"

	"go.internal/hybridkit/registry"
)

// The defaults of IIS where nothing is configured (Microsoft, IIS requestLimits).
const (
	DefaultMaxQueryString = 2048
	DefaultMaxURL         = 4096
	DefaultMaxContent     = 30000000
)

// MaxBytes is the largest file that Parse reads.
const MaxBytes = 32 << 20

// A Limit is one attribute of requestLimits. The zero Limit is not configured.
type Limit struct {
	Set   bool
	Value uint64
	Line  int // where it is written
}

// Limits are the attributes of one requestLimits element.
type Limits struct {
	Location       string // path of the location element, "" for the global section
	MaxQueryString Limit
	MaxURL         Limit
	MaxContent     Limit // maxAllowedContentLength
}

// A Config holds the request limits of a configuration file in the order of the file.
type Config struct {
	Sections []Limits
}

// ErrConfig is wrapped by the error of Parse for a file that is no IIS configuration.
var ErrConfig = errors.New("iis: the file is no IIS configuration")

// Sniff reports whether data begins like an IIS configuration: with a configuration element.
func Sniff(data []byte) bool {
	s := string(data[:min(len(data), 4096)])
	if strings.HasPrefix(s, "\xFF\xFE") {
		s = registry.FromUTF16([]byte(s[2:]))
	}
	s = strings.TrimSpace(strings.TrimPrefix(s, "\xEF\xBB\xBF"))
	for strings.HasPrefix(s, "<?") || strings.HasPrefix(s, "<!--") {
		end := "?>"
		if strings.HasPrefix(s, "<!--") {
			end = "-->"
		}
		_, rest, ok := strings.Cut(s, end)
		if !ok {
			return false
		}
		s = strings.TrimSpace(rest)
	}
	rest, ok := strings.CutPrefix(s, "<configuration")
	return ok && rest != "" && strings.IndexByte(" \t\r\n>/", rest[0]) >= 0
}

// Parse reads an applicationHost.config or web.config. Errors name the line; everything but request limits is ignored.
func Parse(r io.Reader) (*Config, error) {
	data, err := io.ReadAll(io.LimitReader(r, MaxBytes+1))
	if err != nil {
		return nil, err
	}
	if len(data) > MaxBytes {
		return nil, fmt.Errorf("iis: file of more than %d bytes", MaxBytes)
	}
	text := string(data)
	if strings.HasPrefix(text, "\xFF\xFE") {
		text = registry.FromUTF16(data[2:])
	}
	dec := xml.NewDecoder(strings.NewReader(strings.TrimPrefix(text, "\xEF\xBB\xBF")))
	// The text is UTF-8 by now, whatever its declaration says.
	dec.CharsetReader = func(_ string, in io.Reader) (io.Reader, error) { return in, nil }
	c := new(Config)
	var stack []string
	var locations []string
	for {
		tok, err := dec.Token()
		line, _ := dec.InputPos()
		if err == io.EOF {
			if len(stack) > 0 || len(c.Sections) == 0 && !strings.Contains(text, "<configuration") {
				return nil, ErrConfig
			}
			return c, nil
		}
		if err != nil {
			return nil, fmt.Errorf("iis: line %d: %w", line, err)
		}
		switch tok := tok.(type) {
		case xml.StartElement:
			name := tok.Name.Local
			if len(stack) == 0 && name != "configuration" {
				return nil, fmt.Errorf("%w: line %d: it begins with <%s>", ErrConfig, line, name)
			}
			if len(stack) >= 64 {
				return nil, fmt.Errorf("iis: line %d: elements nested more than 64 deep", line)
			}
			stack = append(stack, name)
			if name == "location" {
				locations = append(locations, attr(tok, "path"))
			}
			if name == "requestLimits" && len(stack) > 1 && stack[len(stack)-2] == "requestFiltering" {
				l, err := limits(tok, line)
				if err != nil {
					return nil, err
				}
				if n := len(locations); n > 0 {
					l.Location = locations[n-1]
				}
				c.Sections = append(c.Sections, l)
			}
		case xml.EndElement:
			if stack[len(stack)-1] == "location" {
				locations = locations[:len(locations)-1]
			}
			stack = stack[:len(stack)-1]
		}
	}
}

func attr(e xml.StartElement, name string) string {
	for _, a := range e.Attr {
		if a.Name.Local == name {
			return a.Value
		}
	}
	return ""
}

func limits(e xml.StartElement, line int) (Limits, error) {
	var l Limits
	for _, a := range e.Attr {
		var to *Limit
		switch a.Name.Local {
		case "maxQueryString":
			to = &l.MaxQueryString
		case "maxUrl":
			to = &l.MaxURL
		case "maxAllowedContentLength":
			to = &l.MaxContent
		default:
			continue
		}
		n, err := strconv.ParseUint(a.Value, 0, 32) // IIS takes decimal and 0x
		if err != nil {
			return l, fmt.Errorf("iis: line %d: requestLimits/@%s: %q is no number of 32 bits", line, a.Name.Local, a.Value)
		}
		*to = Limit{true, n, line}
	}
	return l, nil
}

// Effective returns the limits that count at a location such as "Default Web Site/CertSrv/mscep": of each attribute the one that
// is written nearest to it. Attributes that are not written anywhere are not Set. Locations compare without case.
func (c *Config) Effective(location string) Limits {
	best := Limits{Location: location}
	var depth [3]int
	for _, s := range c.Sections {
		if !covers(s.Location, location) {
			continue
		}
		d := 1 + len(s.Location)
		for i, pair := range [...]struct{ to, from *Limit }{
			{&best.MaxQueryString, &s.MaxQueryString}, {&best.MaxURL, &s.MaxURL}, {&best.MaxContent, &s.MaxContent},
		} {
			if pair.from.Set && d >= depth[i] {
				*pair.to, depth[i] = *pair.from, d
			}
		}
	}
	return best
}

// covers reports whether a section for path applies at location.
func covers(path, location string) bool {
	path = strings.Trim(path, "/")
	if path == "" {
		return true
	}
	if len(location) < len(path) || !strings.EqualFold(location[:len(path)], path) {
		return false
	}
	return len(location) == len(path) || location[len(path)] == '/'
}

// Want says what Drift looks for. The zero Want is what Microsoft's documentation asks of an NDES server for Intune.
type Want struct {
	Site           string   // "" is "Default Web Site"
	Paths          []string // below the site; nil is CertSrv/mscep and CertSrv/mscep_admin
	MaxQueryString uint64   // least value; 0 is 65534
	MaxURL         uint64   // least value; 0 is 65534
}

const source = `Microsoft Learn, "Configure infrastructure to support SCEP with Intune"; Microsoft, IIS requestLimits`

// Drift yields a registry.Drift for each limit that is too small at the places where NDES answers. Path names the place
// (file and location) and has no root; Name is the attribute. file becomes the Origin.
func (c *Config) Drift(file string, w Want) iter.Seq[registry.Drift] {
	if w.Site == "" {
		w.Site = "Default Web Site"
	}
	if w.Paths == nil {
		w.Paths = []string{"CertSrv/mscep", "CertSrv/mscep_admin"}
	}
	if w.MaxQueryString == 0 {
		w.MaxQueryString = 65534
	}
	if w.MaxURL == 0 {
		w.MaxURL = 65534
	}
	return func(yield func(registry.Drift) bool) {
		for _, p := range w.Paths {
			at := w.Site + "/" + p
			l := c.Effective(at)
			for _, check := range []struct {
				attr, code string
				have       Limit
				def, want  uint64
			}{
				{"maxQueryString", "404.15 (query string too long)", l.MaxQueryString, DefaultMaxQueryString, w.MaxQueryString},
				{"maxUrl", "404.14 (URL too long)", l.MaxURL, DefaultMaxURL, w.MaxURL},
			} {
				if d, bad := drift(file, at, w.Site, check.attr, check.code, check.have, check.def, check.want); bad && !yield(d) {
					return
				}
			}
		}
	}
}

func drift(file, at, site, attr, code string, have Limit, def, want uint64) (registry.Drift, bool) {
	if have.Set && have.Value >= want {
		return registry.Drift{}, false
	}
	place := site // maxUrl is inherited
	if attr == "maxQueryString" {
		place = at
	}
	d := registry.Drift{
		Kind: registry.WrongValue, Severity: registry.Failure,
		Path: registry.Path{Key: `applicationHost.config\` + at}, Name: "requestLimits/@" + attr,
		Want: strconv.FormatUint(want, 10), Source: source, Origin: registry.Origin{Source: file, Pos: registry.Pos{Line: have.Line}},
		Why: fmt.Sprintf("IIS answers long SCEP requests with %s", code),
		Remedy: fmt.Sprintf(`appcmd set config "%s" -section:system.webServer/security/requestFiltering /requestLimits.%s:%d /commit:apphost, then restart IIS`,
			place, attr, want),
	}
	if have.Set {
		d.Got = strconv.FormatUint(have.Value, 10)
	} else {
		d.Kind = registry.Missing
		d.Why = fmt.Sprintf("nothing is configured, so the default of %d counts. %s", def, d.Why)
	}
	if attr == "maxQueryString" {
		d.Why += ". A value at the site does not help where the location has its own"
	}
	return d, true
}
