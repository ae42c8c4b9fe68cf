package ndes

import (
	"fmt"
	"net/url"
	"strings"
)

// An Endpoint is one NDES as its URLs.
type Endpoint struct {
	Enrol string // …/certsrv/mscep/mscep.dll: for scepclient.Client and for Intune profiles
	Admin string // …/certsrv/mscep_admin/: the password page; "" behind application proxy, which does not publish it
	// AppProxy says that the host is the external name of a Microsoft Entra application proxy application.
	AppProxy bool
}

const (
	enrolPath = "/certsrv/mscep/mscep.dll"
	adminPath = "/certsrv/mscep_admin/"
)

// ParseEndpoint understands every form in which NDES addresses are written: a host name, https://HOST, the
// virtual folder /certsrv/mscep/ with or without mscep.dll, a trailing slash or the pkiclient.exe Windows clients
// append, and the address of the password page. Paths compare without regard to case, as in IIS. A host
// without scheme gets https. An address with another path is refused.
func ParseEndpoint(s string) (Endpoint, error) {
	raw := strings.TrimSpace(s)
	if !strings.Contains(raw, "://") {
		raw = "https://" + raw
	}
	u, err := url.Parse(raw)
	if err != nil || u.Host == "" {
		return Endpoint{}, fmt.Errorf("ndes: %q is not an address", s)
	}
	u.Scheme = strings.ToLower(u.Scheme)
	if u.Scheme != "http" && u.Scheme != "https" {
		return Endpoint{}, fmt.Errorf("ndes: %q is not an http or https address", s)
	}
	if u.User != nil {
		return Endpoint{}, fmt.Errorf("ndes: an address of NDES holds no user name or password")
	}
	switch p := strings.TrimRight(strings.ToLower(u.Path), "/"); p {
	case "", "/certsrv", "/certsrv/mscep", enrolPath, enrolPath + "/pkiclient.exe", strings.TrimRight(adminPath, "/"), "/certsrv/mscep_admin/mscep.dll":
	default:
		return Endpoint{}, fmt.Errorf("ndes: %q is not a path of NDES, which is at %s", u.Path, enrolPath)
	}
	base := u.Scheme + "://" + u.Host
	e := Endpoint{Enrol: base + enrolPath, AppProxy: strings.HasSuffix(strings.ToLower(u.Hostname()), ".msappproxy.net")}
	if !e.AppProxy {
		e.Admin = base + adminPath
	}
	return e, nil
}
