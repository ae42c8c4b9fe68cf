package ldapdir

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"sync"

	"go.internal/hybridkit/ldapsync"
)

// schemaItem is what an attributeSchema or classSchema object says ([MS-ADTS] section 3.1.1.2.3).
type schemaItem struct {
	id, set     ldapsync.GUID // schemaIDGUID, attributeSecurityGUID
	attribute   bool          // else a class
	searchFlags uint32
	systemFlags uint32
}

const (
	flagConfidential = 0x80 // searchFlags fCONFIDENTIAL: reading needs the control access right, too
	flagConstructed  = 0x4  // systemFlags FLAG_ATTR_IS_CONSTRUCTED: computed when asked for
)

// schemaCache keeps what was looked up, by kind and name in lower case. What a schema has does not change; what
// it has not is looked up again.
type schemaCache struct {
	mu    sync.Mutex
	items map[string]schemaItem
}

func (s *schemaCache) get(key string) (schemaItem, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	i, ok := s.items[key]
	return i, ok
}

func (s *schemaCache) put(key string, i schemaItem) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.items == nil {
		s.items = map[string]schemaItem{}
	}
	s.items[key] = i
}

func attrKey(name string) string  { return "a " + strings.ToLower(name) }
func classKey(name string) string { return "c " + strings.ToLower(name) }

// atOnce is how many names are looked up in one search.
const atOnce = 50

// lookUp fills the cache with the attributes and classes, as far as the schema has them.
func (d *Dir) lookUp(ctx context.Context, c *conn, keys ...string) error {
	var missing []string
	for _, k := range keys {
		if _, ok := d.schema.get(k); !ok {
			missing = append(missing, k)
		}
	}
	for len(missing) > 0 {
		n := min(len(missing), atOnce)
		names := ""
		for _, k := range missing[:n] {
			names += equals("lDAPDisplayName", k[2:])
		}
		missing = missing[n:]
		r := request{base: c.root.schemaNC, scope: scopeOne, filter: tlv(0xa1, names), attrs: []string{"lDAPDisplayName", "objectClass",
			"schemaIDGUID", "attributeSecurityGUID", "searchFlags", "systemFlags"}}
		s, err := c.search(r, d.cfg.ReadTimeout)
		if err != nil {
			return lost("search", d.ep.name, "the schema", errors.Join(errLost, err))
		}
		for over := false; !over; {
			e, res, err := s.next(ctx)
			switch {
			case err != nil:
				return lost("search", d.ep.name, "the schema", err)
			case res == nil:
				key, item, err := parseSchema(e.keep())
				if err != nil {
					s.stop()
					return d.undecodable(string(e.dn), err)
				}
				if key != "" {
					d.schema.put(key, item)
				}
			case res.code != 0:
				return refusal("search", d.ep.name, "the schema", res.code, res.matched, res.diagnostic)
			default:
				over = true
			}
		}
	}
	return nil
}

// parseSchema returns "" for an entry that is of no use: without a name or schemaIDGUID.
func parseSchema(e entry) (key string, i schemaItem, err error) {
	name, isClass := "", false
	err = e.each(func(description, set string) error {
		values, err := appendValues(nil, set)
		if err != nil || len(values) == 0 {
			return err
		}
		v := values[0]
		switch strings.ToLower(description) {
		case "ldapdisplayname":
			name = v
		case "objectclass":
			for _, oc := range values {
				isClass = isClass || strings.EqualFold(oc, "classSchema")
				i.attribute = i.attribute || strings.EqualFold(oc, "attributeSchema")
			}
		case "schemaidguid":
			i.id, err = ldapsync.GUIDFromBytes([]byte(v))
		case "attributesecurityguid":
			i.set, err = ldapsync.GUIDFromBytes([]byte(v))
		case "searchflags":
			i.searchFlags, err = flags(v)
		case "systemflags":
			i.systemFlags, err = flags(v)
		}
		return err
	})
	if err != nil || name == "" || i.id.IsZero() || isClass == i.attribute {
		return "", i, err
	}
	if isClass {
		return classKey(name), i, nil
	}
	return attrKey(name), i, nil
}

// flags reads a 32-bit number that LDAP prints signed.
func flags(v string) (uint32, error) {
	n, err := strconv.ParseInt(v, 10, 64)
	return uint32(n), err
}
