package comgmt

import (
	"fmt"
	"strings"
)

// Ids of the checks of [Ccmsetup.Lint].
const (
	CheckCcmQuotes      = "ccmsetup-quotes"
	CheckCcmCharacters  = "ccmsetup-characters"
	CheckCcmSpaces      = "ccmsetup-spaces"
	CheckCcmStray       = "ccmsetup-stray-word"
	CheckCcmLength      = "ccmsetup-length"
	CheckCcmDuplicate   = "ccmsetup-duplicate"
	CheckCcmSiteCode    = "ccmsetup-site-code"
	CheckCcmHost        = "ccmsetup-ccmhostname"
	CheckCcmMP          = "ccmsetup-mp"
	CheckCcmEndpoint    = "ccmsetup-endpoint"
	CheckCcmRegToken    = "ccmsetup-regtoken"
	CheckCcmEntraPair   = "ccmsetup-entra-properties"
	CheckCcmPlaceholder = "ccmsetup-placeholder"
	CheckCcmUnknown     = "ccmsetup-unknown-name"
	CheckCcmMSIOutside  = "ccmsetup-outside-ccmsetupcmd"
	CheckCcmNothing     = "ccmsetup-empty"
)

const srcPrepare = "Prepare internet-based devices for co-management, client installation"
const srcParameters = "About client installation parameters and properties"

var ccmsetupChecks = [...]Check{
	{CheckCcmQuotes, "Quotes are straight and paired.", "Type the quotes anew; text from web pages and office programs carries typographic ones.", "error 1639 of Windows Installer"},
	{CheckCcmCharacters, "The line holds no look-alike characters.", "Type dashes and spaces anew.", srcParameters},
	{CheckCcmSpaces, "There is no space around \"=\".", "Remove the space.", srcParameters},
	{CheckCcmStray, "Every word is a switch or a property.", "Put values with spaces in quotes, or remove the word.", srcParameters},
	{CheckCcmLength, "The arguments are at most 1024 characters.", "Leave out what the client learns by itself: since 1810 only CCMHOSTNAME and SMSSITECODE are required.", srcPrepare + "; What's new in version 1810"},
	{CheckCcmDuplicate, "No switch or property is given twice.", "Remove one of them.", srcParameters},
	{CheckCcmSiteCode, "SMSSITECODE is given and is a site code.", "Add SMSSITECODE with the three characters of the site; AUTO does not work on the internet.", srcPrepare},
	{CheckCcmHost, "CCMHOSTNAME is a host with the gateway's path, without https://.", "Take the value from the console or from SMS_ActiveMPCandidate of a client that uses the gateway.", srcPrepare},
	{CheckCcmMP, "/mp with a gateway starts with https://.", "Write /mp:https://HOST/CCM_Proxy_MutualAuth/NUMBER.", srcParameters},
	{CheckCcmEndpoint, "A gateway endpoint is HOST/CCM_Proxy_MutualAuth/NUMBER.", "Copy the endpoint as a whole from the console.", srcPrepare},
	{CheckCcmRegToken, "/regtoken comes with everything it needs.", "Add /mp, CCMHOSTNAME, SMSSITECODE and SMSMP.", srcParameters},
	{CheckCcmEntraPair, "AADCLIENTAPPID and AADRESOURCEURI come together.", "Give both or neither.", srcPrepare},
	{CheckCcmPlaceholder, "No placeholder is left.", "Put in the real value.", "-"},
	{CheckCcmUnknown, "Names are known to ccmsetup.", "Check the spelling; a property ccmsetup does not know is passed on to client.msi.", srcParameters},
	{CheckCcmMSIOutside, "Client properties are inside CCMSETUPCMD.", "Move them inside the quotes: ccmsetup.msi does not pass anything else on to ccmsetup.exe.", srcPrepare},
	{CheckCcmNothing, "The line installs from somewhere.", "Give CCMHOSTNAME and SMSSITECODE for internet clients, or /mp.", srcParameters},
}

// ccmsetupNames are the switches and properties the client documentation names. A name that is not here is only a note.
var ccmsetupSwitches = []string{"?", "source", "mp", "retry", "noservice", "service", "uninstall", "logon", "forcereboot", "BITSPriority", "downloadtimeout", "UsePKICert", "NoCRLCheck", "config", "skipprereq", "forceinstall", "ExcludeFeatures", "AlwaysExcludeUpgrade", "regtoken"}
var ccmsetupProperties = []string{"CCMHOSTNAME", "SMSSITECODE", "SMSMP", "FSP", "CCMALWAYSINF", "CCMCERTSEL", "CCMCERTSTORE", "CCMFIRSTCERT", "CCMCERTISSUERS", "CCMCERTID", "CCMHTTPPORT", "CCMHTTPSPORT", "CCMHTTPSSTATE", "CCMPKICERTOPTIONS", "SMSPUBLICROOTKEY", "SMSROOTKEYPATH", "SMSSIGNCERT", "RESETKEYINFORMATION", "SITEREASSIGN", "NOTIFYONLY", "PATCH", "PROVISIONTS", "UPGRADETOLATEST", "AADCLIENTAPPID", "AADRESOURCEURI", "AADTENANTID", "AADTENANTNAME", "DISABLESITEOPT", "DISABLECACHEOPT", "DNSSUFFIX", "IGNOREAPPVVERSIONCHECK", "MANAGEDINSTALLER", "SMSCACHEDIR", "SMSCACHEFLAGS", "SMSCACHESIZE", "SMSDIRECTORYLOOKUP", "SMSCONFIGSOURCE", "CCMADMINS", "CCMALLOWSILENTREBOOT", "CCMDEBUGLOGGING", "CCMENABLELOGGING", "CCMINSTALLDIR", "CCMLOGLEVEL", "CCMLOGMAXHISTORY", "CCMLOGMAXSIZE"}

// gatewayPath stands between the host of a cloud management gateway and its number.
const gatewayPath = "CCM_Proxy_MutualAuth"

// Lint returns what is wrong with the line, in the order of [Checks]. A line for the internal network is judged
// less strictly: it may leave the site code out.
func (c *Ccmsetup) Lint() []Finding {
	out := append([]Finding(nil), c.Findings...)
	add := func(id string, status Status, subject, message string, evidence ...string) {
		out = append(out, find(id, status, subject, message, evidence...))
	}
	host, hasHost := c.Property("CCMHOSTNAME")
	mp, hasMP := c.Switch("mp")
	site, hasSite := c.Property("SMSSITECODE")
	if c.Length > maxCcmsetup {
		add(CheckCcmLength, StatusFailure, "length", fmt.Sprintf("%d characters; installation fails above %d.", c.Length, maxCcmsetup))
	}
	c.lintNames(add)
	switch {
	case hasSite && strings.EqualFold(site, "AUTO") && hasHost:
		add(CheckCcmSiteCode, StatusFailure, "SMSSITECODE", "AUTO cannot be used together with CCMHOSTNAME.", "SMSSITECODE="+site)
	case hasSite && !strings.EqualFold(site, "AUTO") && !isSiteCode(site):
		add(CheckCcmSiteCode, StatusFailure, "SMSSITECODE", "A site code is three letters or digits.", clip("SMSSITECODE="+site))
	case !hasSite && (hasHost || strings.Contains(mp, gatewayPath)):
		add(CheckCcmSiteCode, StatusFailure, "SMSSITECODE", "The site code is missing: a client on the internet cannot find its site.")
	}
	if hasHost {
		lintHost(host, add)
	} else if strings.Contains(mp, gatewayPath) {
		add(CheckCcmHost, StatusWarning, "CCMHOSTNAME", "/mp only says where to download the client from; without CCMHOSTNAME the client does not know its gateway.")
	}
	if hasMP {
		for one := range strings.SplitSeq(mp, ";") {
			lintMP(strings.TrimSpace(one), add)
		}
	}
	if _, ok := c.Switch("regtoken"); ok {
		var missing []string
		for _, p := range [...]string{"CCMHOSTNAME", "SMSSITECODE", "SMSMP"} {
			if _, ok := c.Property(p); !ok {
				missing = append(missing, p)
			}
		}
		if !hasMP {
			missing = append(missing, "/mp")
		}
		if missing != nil {
			add(CheckCcmRegToken, StatusFailure, "/regtoken", "A bulk registration token needs more than is given.", "missing: "+strings.Join(missing, ", "))
		}
	}
	_, app := c.Property("AADCLIENTAPPID")
	_, uri := c.Property("AADRESOURCEURI")
	if app != uri {
		add(CheckCcmEntraPair, StatusWarning, "AADCLIENTAPPID, AADRESOURCEURI", "One is given without the other: the client cannot ask for a token.")
	}
	if len(c.Args) == 0 || !hasHost && !hasMP && !hasSite && c.Form != FormExe {
		add(CheckCcmNothing, StatusWarning, "line", "Nothing tells the client its site or where to install from.")
	}
	return inOrder(out)
}

func (c *Ccmsetup) lintNames(add addFinding) {
	seen := map[string]int{}
	for _, a := range c.Args {
		if a.Bare && !a.Switch {
			continue // a stray word, noted by the parser
		}
		key, list, shown := "="+strings.ToUpper(a.Name), ccmsetupProperties, a.Name
		if a.Switch {
			key, list, shown = "/"+strings.ToUpper(a.Name), ccmsetupSwitches, "/"+a.Name
		}
		if seen[key]++; seen[key] == 2 && key != "/MP" && key != "/SOURCE" {
			add(CheckCcmDuplicate, StatusWarning, clip(shown), "It is given more than once.")
		}
		if !containsFold(list, a.Name) {
			add(CheckCcmUnknown, StatusInfo, clip(shown), "Not a name the client documentation lists.")
		}
		if v := a.Value; strings.HasPrefix(v, "<") && strings.HasSuffix(v, ">") || strings.HasPrefix(v, "{{") || strings.Contains(strings.ToUpper(v), "XXXX") {
			add(CheckCcmPlaceholder, StatusFailure, clip(shown), "The value is a placeholder.", clip(v))
		}
	}
	for _, a := range c.MSIProperties {
		if containsFold(ccmsetupProperties, a.Name) {
			add(CheckCcmMSIOutside, StatusFailure, clip(a.Name), "It stands outside CCMSETUPCMD and never reaches the client.")
		}
	}
}

func containsFold(list []string, s string) bool {
	for _, l := range list {
		if strings.EqualFold(l, s) {
			return true
		}
	}
	return false
}

func lintHost(host string, add addFinding) {
	low := strings.ToLower(host)
	switch {
	case host == "":
		add(CheckCcmHost, StatusFailure, "CCMHOSTNAME", "It is empty.")
	case strings.HasPrefix(low, "https://"), strings.HasPrefix(low, "http://"):
		add(CheckCcmHost, StatusFailure, "CCMHOSTNAME", "It is written with a scheme; the value is the host alone, with the gateway's path.", clip(host))
		_, host, _ = strings.Cut(host, "://")
		fallthrough
	default:
		if strings.Contains(host, "/") {
			lintEndpoint("CCMHOSTNAME", host, add)
		} else if strings.HasSuffix(low, ".cloudapp.net") || strings.HasSuffix(low, ".cloudapp.azure.com") || strings.HasSuffix(low, ".usgovcloudapp.net") {
			add(CheckCcmEndpoint, StatusFailure, "CCMHOSTNAME", "A gateway without its path: /"+gatewayPath+"/NUMBER is missing.", clip(host))
		}
	}
}

func lintMP(mp string, add addFinding) {
	low := strings.ToLower(mp)
	rest, secure := strings.CutPrefix(low, "https://")
	gateway := strings.Contains(low, strings.ToLower(gatewayPath)) || strings.HasSuffix(low, ".cloudapp.net") || strings.HasSuffix(low, ".cloudapp.azure.com")
	switch {
	case mp == "":
		add(CheckCcmMP, StatusFailure, "/mp", "It is empty.")
	case gateway && !secure:
		add(CheckCcmMP, StatusFailure, "/mp", "A gateway must be written with https://.", clip(mp))
	case gateway:
		lintEndpoint("/mp", mp[len(mp)-len(rest):], add)
	}
}

// lintEndpoint judges HOST/CCM_Proxy_MutualAuth/NUMBER.
func lintEndpoint(subject, endpoint string, add addFinding) {
	parts := strings.Split(endpoint, "/")
	switch {
	case len(parts) != 3 || !strings.EqualFold(parts[1], gatewayPath):
		add(CheckCcmEndpoint, StatusFailure, subject, "The path is not /"+gatewayPath+"/NUMBER.", clip(endpoint))
	case strings.Trim(parts[2], "0123456789") != "" || parts[2] == "":
		add(CheckCcmEndpoint, StatusFailure, subject, "The number at the end is not decimal.", clip(endpoint))
	case len(parts[2]) != 17:
		add(CheckCcmEndpoint, StatusWarning, subject, fmt.Sprintf("The number has %d digits; those seen have 17.", len(parts[2])), clip(endpoint))
	}
	if !validHost(parts[0]) {
		add(CheckCcmHost, StatusFailure, subject, "The host is not a DNS name.", clip(parts[0]))
	}
}

func isSiteCode(s string) bool {
	return len(s) == 3 && strings.IndexFunc(s, func(r rune) bool {
		return (r < 'A' || r > 'Z') && (r < 'a' || r > 'z') && (r < '0' || r > '9')
	}) < 0
}

// validHost reports whether s is a DNS host name of at least two labels.
func validHost(s string) bool {
	s = strings.TrimSuffix(s, ".")
	if len(s) > 253 || !strings.Contains(s, ".") {
		return false
	}
	for label := range strings.SplitSeq(s, ".") {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
		for _, r := range label {
			if (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '-' && r != '_' {
				return false
			}
		}
	}
	return true
}
