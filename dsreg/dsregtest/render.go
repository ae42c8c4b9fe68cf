package dsregtest

import (
	"encoding/binary"
	"html"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// A Layout is the layout of a family of builds.
type Layout int

// The layouts.
const (
	Modern     Layout = iota // Windows 10 1809 and later: labels end in column 26
	Old1803                  // Windows 10 1709 to 1803: device and tenant data in "Device State", tokens in "User State"
	Server2016               // Windows Server 2016: as Old1803, labels end in column 18
)

// An Encoding is the encoding of a rendered report.
type Encoding int

// The encodings. Characters that cp1252 or cp850 lack become '?'.
const (
	UTF8 Encoding = iota
	UTF8BOM
	UTF16LE
	UTF16LEBOM
	UTF16BEBOM
	CP1252
)

// A Damage is something that happens to output on its way.
type Damage int

// The kinds of damage.
const (
	None       Damage = iota
	Indented          // four blanks before each line
	Trimmed           // indentation lost
	Quoted            // "> " before each line
	Fenced            // a Markdown fence around each section's rows
	Spaced            // a blank line after each line
	HTML              // entities, and <br/> in place of line ends
	Flattened         // one line, blanks squeezed
	TightColon        // "Label: value"
	Padded            // blanks up to column 72
)

// A Format says how to render a report. The zero Format is what a current
// build prints, in UTF-8 with LF.
type Format struct {
	Layout   Layout
	Encoding Encoding
	LineEnd  string // "" is "\n"
	Damage   Damage
	Wrap     int // console width at which longer lines continue in column 0; 0 does not wrap
	Cut      int // number of bytes kept of the text; 0 keeps all
}

// Render returns the report's bytes.
func (r *Report) Render(f Format) []byte {
	sections, width := r.sections, 26
	if f.Layout != Modern {
		sections, width = old(r.sections), 21
		if f.Layout == Server2016 {
			width = 18
		}
	}
	rule := "+" + strings.Repeat("-", 70) + "+"
	lines := append([]string(nil), r.preface...)
	for _, s := range sections {
		lines = append(lines, rule, "| "+s.title+strings.Repeat(" ", max(0, 69-utf8.RuneCountInString(s.title)))+"|", rule, "")
		if f.Damage == Fenced {
			lines = append(lines, "```")
		}
		for _, x := range s.rows {
			switch {
			case x.label == "":
				lines = append(lines, "")
				continue
			case f.Layout != Modern && x.label == "KeySignTest":
				x.label = "KeySignTest:"
			}
			sep := " : "
			if f.Damage == TightColon {
				sep = ": "
			}
			lines = append(lines, strings.TrimRight(strings.Repeat(" ", max(0, width-len(x.label)))+x.label+sep+x.value, " "))
		}
		if f.Damage == Fenced {
			lines = append(lines, "```")
		}
		lines = append(lines, "")
	}
	if r.footer {
		lines = append(lines, "For more information, please visit https://www.microsoft.com/aadjerrors")
	}
	if f.Wrap > 0 {
		lines = wrap(lines, f.Wrap)
	}
	end := f.LineEnd
	if end == "" {
		end = "\n"
	}
	text := damage(lines, f.Damage, end)
	if f.Cut > 0 && f.Cut < len(text) {
		text = text[:f.Cut]
	}
	return encode(text, f.Encoding)
}

func wrap(lines []string, width int) []string {
	var out []string
	for _, l := range lines {
		for len(l) > width {
			out = append(out, l[:width])
			l = l[width:]
		}
		out = append(out, l)
	}
	return out
}

func damage(lines []string, d Damage, end string) string {
	for i, l := range lines {
		switch d {
		case Indented:
			lines[i] = "    " + l
		case Trimmed:
			lines[i] = strings.TrimLeft(l, " ")
		case Quoted:
			lines[i] = "> " + l
		case Padded:
			lines[i] = l + strings.Repeat(" ", max(0, 72-len(l)))
		case HTML:
			lines[i] = html.EscapeString(l)
		}
	}
	switch d {
	case HTML:
		return strings.Join(lines, "<br/>")
	case Spaced:
		return strings.Join(lines, end+end) + end
	case Flattened:
		return strings.Join(strings.Fields(strings.Join(lines, " ")), " ") + end
	}
	return strings.Join(lines, end) + end
}

func encode(text string, e Encoding) []byte {
	switch e {
	case UTF8BOM:
		return append([]byte{0xef, 0xbb, 0xbf}, text...)
	case UTF16LE, UTF16LEBOM, UTF16BEBOM:
		var order binary.AppendByteOrder = binary.LittleEndian
		if e == UTF16BEBOM {
			order = binary.BigEndian
		}
		var b []byte
		if e != UTF16LE {
			b = order.AppendUint16(b, 0xfeff)
		}
		for _, u := range utf16.Encode([]rune(text)) {
			b = order.AppendUint16(b, u)
		}
		return b
	case CP1252:
		var b []byte
		for _, r := range text {
			// Latin-1 is cp1252 outside 80–9f, and enough for names.
			if r > 0xff || r >= 0x80 && r < 0xa0 {
				r = '?'
			}
			b = append(b, byte(r))
		}
		return b
	}
	return []byte(text)
}

// old moves the rows to where builds up to 1803 print them, and leaves out
// what those builds do not print.
func old(sections []section) []section {
	get := func(title string) []row {
		for _, s := range sections {
			if s.title == title {
				return s.rows
			}
		}
		return nil
	}
	device := section{title: "Device State"}
	var domain []row
	for _, x := range get("Device State") {
		switch x.label {
		case "DomainJoined", "DomainName":
			domain = append(domain, x)
		case "Virtual Desktop", "Device Name":
		default:
			device.rows = append(device.rows, x)
		}
	}
	for _, x := range get("Device Details") {
		if x.label != "DeviceCertificateValidity" && x.label != "DeviceAuthStatus" {
			device.rows = append(device.rows, x)
		}
	}
	for _, x := range get("Diagnostic Data") {
		if x.label == "KeySignTest" {
			device.rows = append(device.rows, x)
		}
	}
	device.rows = append(device.rows, get("Tenant Details")...)
	device.rows = append(device.rows, domain...)
	user := section{title: "User State", rows: append([]row(nil), get("User State")...)}
	for _, s := range sections {
		if strings.HasPrefix(s.title, "Work Account") {
			for _, x := range s.rows {
				if strings.HasPrefix(x.label, "Workplace") {
					user.rows = append(user.rows, x)
				}
			}
		}
	}
	for _, x := range get("SSO State") {
		switch x.label {
		case "AzureAdPrt", "AzureAdPrtAuthority", "EnterprisePrt", "EnterprisePrtAuthority":
			user.rows = append(user.rows, x)
		}
	}
	out := []section{device, user}
	for _, s := range sections {
		if s.title != "Ngc Prerequisite Check" {
			continue
		}
		ngc := section{title: s.title}
		for _, x := range s.rows {
			if x.label != "IsDeviceJoined" && x.label != "OnPremTGT" {
				ngc.rows = append(ngc.rows, x)
			}
		}
		out = append(out, ngc)
	}
	return out
}
