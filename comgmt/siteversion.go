package comgmt

import (
	"fmt"
	"strconv"
	"strings"
)

// A SiteVersion is a version of Configuration Manager current branch as yymm, such as 2403. The zero
// SiteVersion is not known. Versions compare with < and >.
type SiteVersion uint16

// Versions at which co-management changed.
const (
	firstCoManagement  SiteVersion = 1710 // co-management appears
	pilotPerWorkload   SiteVersion = 1906 // one pilot collection per workload (What's new in 1906)
	cloudAttach        SiteVersion = 2111 // new bit values; Cloud Attach wizard
	raUnsupported      SiteVersion = 2203 // resource access no longer tested (Resource access deprecation FAQ)
	raPrerequisiteWarn SiteVersion = 2211 // prerequisite check warns
	raForced           SiteVersion = 2403 // slider forced to Intune (Co-management workloads)
)

// ParseSiteVersion reads four digits, yymm, from 1710 on (the first version with co-management).
func ParseSiteVersion(s string) (SiteVersion, error) {
	t := strings.TrimSpace(s)
	n, err := strconv.ParseUint(t, 10, 16)
	if err != nil || len(t) != 4 || n%100 < 1 || n%100 > 12 {
		return 0, fmt.Errorf("comgmt: %q is not a Configuration Manager version (want yymm, such as 2403)", clip(s))
	}
	if SiteVersion(n) < firstCoManagement {
		return 0, fmt.Errorf("comgmt: version %s has no co-management (first in %v)", t, firstCoManagement)
	}
	return SiteVersion(n), nil
}

// String returns the version as written by Microsoft, "unknown" for 0.
func (v SiteVersion) String() string {
	if v == 0 {
		return "unknown"
	}
	return fmt.Sprintf("%04d", uint16(v))
}

// MarshalText returns the four digits; an unknown version is the empty text.
func (v SiteVersion) MarshalText() ([]byte, error) {
	if v == 0 {
		return nil, nil
	}
	return []byte(v.String()), nil
}

// UnmarshalText accepts what [ParseSiteVersion] accepts, and the empty text for an unknown version.
func (v *SiteVersion) UnmarshalText(b []byte) error {
	if len(b) == 0 {
		*v = 0
		return nil
	}
	n, err := ParseSiteVersion(string(b))
	if err == nil {
		*v = n
	}
	return err
}

// forcesResourceAccess reports whether a site of this version has the resource access slider fixed at Intune.
func (v SiteVersion) forcesResourceAccess() bool { return v >= raForced }
