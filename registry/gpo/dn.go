package gpo

import "strings"

// splitDN returns the parts of a DN at commas that are not escaped.
func splitDN(dn string) []string {
	var parts []string
	from := 0
	for i := 0; i < len(dn); i++ {
		switch dn[i] {
		case '\\':
			i++
		case ',':
			parts = append(parts, strings.TrimSpace(dn[from:i]))
			from = i + 1
		}
	}
	if last := strings.TrimSpace(dn[from:]); last != "" || len(parts) > 0 {
		parts = append(parts, last)
	}
	return parts
}

// foldDN makes DNs comparable: lower case, no blanks around separators.
func foldDN(dn string) string {
	parts := splitDN(strings.ToLower(dn))
	for i, p := range parts {
		if k, v, ok := strings.Cut(p, "="); ok {
			parts[i] = strings.TrimSpace(k) + "=" + strings.TrimSpace(v)
		}
	}
	return strings.Join(parts, ",")
}

// ancestors returns dn and the containers it is in up to its domain, nearest first.
func ancestors(dn string) (list []string) {
	parts := splitDN(dn)
	for i, p := range parts {
		list = append(list, strings.Join(parts[i:], ","))
		if isDC(p) { // the rest names the domain itself
			break
		}
	}
	return list
}

func isDC(rdn string) bool {
	k, _, _ := strings.Cut(rdn, "=")
	return strings.EqualFold(strings.TrimSpace(k), "DC")
}
