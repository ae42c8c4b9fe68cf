package comgmt

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
)

// An InternetInstall describes the installation of the client on a device on the internet. Host and Site are required.
type InternetInstall struct {
	// Host is the gateway's endpoint, HOST/CCM_Proxy_MutualAuth/NUMBER, without https://.
	Host string
	Site string // site code of three characters
	// DownloadFromGateway adds /mp with the endpoint, which ccmsetup.exe needs where it is not deployed by Intune.
	DownloadFromGateway bool
	ManagementPoint     string // SMSMP, for a device that also comes to the internal network
	// ClientAppID and ResourceURI make the client use Entra ID although it has a certificate. Both or neither.
	ClientAppID, ResourceURI string
	RegToken                 Token  // bulk registration token; needs ManagementPoint and ends up in the line
	NoCRLCheck               bool   // the revocation list is not published on the internet
	TaskSequence             string // PROVISIONTS: deployment id of a task sequence
	UpgradeToLatest          bool   // UPGRADETOLATEST=TRUE
}

// Arguments returns the arguments of ccmsetup.exe. It refuses what [Ccmsetup.Lint] would call a failure.
func (i InternetInstall) Arguments() (string, error) {
	c := &Ccmsetup{Form: FormExe, Program: "ccmsetup.exe"}
	sw := func(name, value string) {
		c.Args = append(c.Args, CcmsetupArg{Name: name, Value: value, Switch: true, Bare: value == ""})
	}
	prop := func(name, value string) {
		if value != "" {
			c.Args = append(c.Args, CcmsetupArg{Name: name, Value: value})
		}
	}
	if i.NoCRLCheck {
		sw("NoCRLCheck", "")
	}
	token := i.RegToken.Reveal()
	if i.DownloadFromGateway || token != "" {
		sw("mp", "https://"+i.Host)
	}
	if token != "" {
		sw("regtoken", token)
	}
	prop("CCMHOSTNAME", i.Host)
	prop("SMSSITECODE", i.Site)
	prop("SMSMP", i.ManagementPoint)
	prop("AADCLIENTAPPID", i.ClientAppID)
	prop("AADRESOURCEURI", i.ResourceURI)
	prop("PROVISIONTS", i.TaskSequence)
	if i.UpgradeToLatest {
		prop("UPGRADETOLATEST", "TRUE")
	}
	for _, a := range c.Args {
		if strings.ContainsAny(a.Value, "\" \t\r\n\x00") {
			return "", fmt.Errorf("comgmt: %s: quotes and spaces cannot be written inside CCMSETUPCMD", a.Name)
		}
	}
	line := c.arguments()
	c.Length = utf16Len(line)
	if i.Host == "" {
		return "", fmt.Errorf("comgmt: Host is required")
	}
	for _, f := range c.Lint() {
		if f.Status == StatusFailure || f.Check == CheckCcmEntraPair {
			return "", fmt.Errorf("comgmt: %s: %s", f.Subject, f.Message)
		}
	}
	return line, nil
}

// Property returns the text for the command-line arguments of ccmsetup.msi as an Intune line-of-business app, which is
// also what a co-management settings policy takes: CCMSETUPCMD="…".
func (i InternetInstall) Property() (string, error) {
	args, err := i.Arguments()
	if err != nil {
		return "", err
	}
	return `CCMSETUPCMD="` + args + `"`, nil
}

// IntuneCommand returns the install command of an Intune Win32 app that carries ccmsetup.msi.
func (i InternetInstall) IntuneCommand() (string, error) {
	p, err := i.Property()
	if err != nil {
		return "", err
	}
	return `msiexec /i "ccmsetup.msi" /qn ` + p, nil
}

// arguments writes Args as they are.
func (c *Ccmsetup) arguments() string {
	words := make([]string, len(c.Args))
	for i, a := range c.Args {
		words[i] = a.Text()
	}
	return strings.Join(words, " ")
}

// Text returns the argument as written on a command line, with quotes where its value has spaces.
func (a CcmsetupArg) Text() string {
	var b strings.Builder
	if a.Switch {
		b.WriteByte('/')
	}
	name := a.Name
	if a.Bare && strings.ContainsAny(name, " ") {
		name = `"` + name + `"`
	}
	b.WriteString(name)
	if a.Bare {
		return b.String()
	}
	b.WriteByte(map[bool]byte{true: ':', false: '='}[a.Switch])
	if strings.ContainsAny(a.Value, " ") {
		b.WriteString(`"` + a.Value + `"`)
	} else {
		b.WriteString(a.Value)
	}
	return b.String()
}

// CommandLine returns the command line. For lines without findings of their own it parses back to the same arguments.
func (c *Ccmsetup) CommandLine() string {
	args := c.arguments()
	switch c.Form {
	case FormProperty, FormMSI:
		words := make([]string, 0, 2+len(c.MSIProperties))
		if c.Program != "" {
			words = append(words, c.Program)
		}
		if len(c.Args) > 0 || c.hasProperty || c.Form == FormProperty {
			words = append(words, `CCMSETUPCMD="`+strings.ReplaceAll(args, `"`, `""`)+`"`)
		}
		for _, p := range c.MSIProperties {
			words = append(words, p.Text())
		}
		return strings.Join(words, " ")
	}
	return strings.TrimSpace(c.Program + " " + args)
}

// String returns the command line with the registration token, which is a secret, replaced.
func (c *Ccmsetup) String() string {
	safe := *c
	safe.Args = make([]CcmsetupArg, len(c.Args))
	for i, a := range c.Args {
		safe.Args[i] = a.redacted()
	}
	return safe.CommandLine()
}

// redacted replaces the value of /regtoken.
func (a CcmsetupArg) redacted() CcmsetupArg {
	if strings.EqualFold(a.Name, "regtoken") && a.Value != "" {
		a.Value = redactedText
	}
	return a
}

// Format prints the argument as [CcmsetupArg.Text] does, with a registration token replaced, whatever the verb.
func (a CcmsetupArg) Format(f fmt.State, _ rune) { io.WriteString(f, a.redacted().Text()) }

// MarshalJSON writes the fields, with a registration token replaced.
func (a CcmsetupArg) MarshalJSON() ([]byte, error) {
	type plain CcmsetupArg // without this method
	return json.Marshal(plain(a.redacted()))
}

const redactedText = "REDACTED"

// A Token is a bulk registration token. Printing, logging and marshalling it give "REDACTED". The zero Token is none.
type Token struct{ reveal func() string }

// NewToken returns a Token of the text.
func NewToken(text string) Token { return Token{func() string { return text }} }

// Reveal returns the text, "" for the zero Token.
func (t Token) Reveal() string {
	if t.reveal == nil {
		return ""
	}
	return t.reveal()
}

// Format prints "REDACTED", whatever the verb.
func (t Token) Format(f fmt.State, _ rune) { io.WriteString(f, redactedText) }

// MarshalText returns "REDACTED".
func (t Token) MarshalText() ([]byte, error) { return []byte(redactedText), nil }
