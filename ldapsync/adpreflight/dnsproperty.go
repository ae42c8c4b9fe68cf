package adpreflight

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
)

// A ZoneType is the kind of a DNS zone ([MS-DNSP] 2.2.5.2.4.1, dwZoneType).
type ZoneType uint32

// The kinds a directory stores.
const (
	ZoneCache     ZoneType = 0
	ZonePrimary   ZoneType = 1
	ZoneSecondary ZoneType = 2
	ZoneStub      ZoneType = 3
	ZoneForwarder ZoneType = 4 // a conditional forwarder
)

// String returns "primary zone", "conditional forwarder" and so on, or "ZoneType(n)".
func (z ZoneType) String() string {
	switch z {
	case ZoneCache:
		return "root hints"
	case ZonePrimary:
		return "primary zone"
	case ZoneSecondary:
		return "secondary zone"
	case ZoneStub:
		return "stub zone"
	case ZoneForwarder:
		return "conditional forwarder"
	}
	return fmt.Sprintf("ZoneType(%d)", uint32(z))
}

// The properties that are used here ([MS-DNSP] 2.3.2.1.1).
const (
	propertyZoneType  = 0x01 // DSPROPERTY_ZONE_TYPE
	propertyMasters   = 0x81 // DSPROPERTY_ZONE_MASTER_SERVERS, an IP4_ARRAY
	propertyMastersDA = 0x91 // DSPROPERTY_ZONE_MASTER_SERVERS_DA, a DNS_ADDR_ARRAY
)

// zoneProperty reads a dNSProperty value ([MS-DNSP] 2.3.2.1).
func zoneProperty(b []byte) (id uint32, data []byte, err error) {
	const header = 20 // DataLength, NameLength, Flag, Version, Id
	if len(b) < header {
		return 0, nil, fmt.Errorf("adpreflight: a dNSProperty has at least %d bytes, not %d", header, len(b))
	}
	n := binary.LittleEndian.Uint32(b)
	if v := binary.LittleEndian.Uint32(b[12:]); v != 1 {
		return 0, nil, fmt.Errorf("adpreflight: dNSProperty at offset 12: version %d is not 1", v)
	}
	if uint64(n) > uint64(len(b)-header) {
		return 0, nil, fmt.Errorf("adpreflight: dNSProperty at offset 0: %d bytes of data are announced, %d are there", n, len(b)-header)
	}
	return binary.LittleEndian.Uint32(b[16:]), b[header : header+int(n)], nil
}

// A Zone is what the dnsZone object of a directory-integrated DNS zone says.
type Zone struct {
	Type    ZoneType
	Masters []netip.Addr // of a forwarder: the servers that questions go to
}

// ParseZone reads the values of the attribute dNSProperty ([MS-DNSP] 2.3.2.1). A zone without a type is a primary zone,
// as the document has it. Errors say where in a value the fault is.
func ParseZone(values []string) (Zone, error) {
	z := Zone{Type: ZonePrimary}
	var old, newer []netip.Addr
	for _, v := range values {
		id, data, err := zoneProperty([]byte(v))
		if err != nil {
			return z, err
		}
		switch {
		case len(data) == 0: // the default of the property
		case id == propertyZoneType:
			if len(data) < 4 {
				return z, errors.New("adpreflight: dNSProperty zone type: fewer than 4 bytes")
			}
			z.Type = ZoneType(binary.LittleEndian.Uint32(data))
		case id == propertyMasters:
			old, err = parseIP4Array(data)
		case id == propertyMastersDA:
			newer, err = parseAddrArray(data)
		}
		if err != nil {
			return z, err
		}
	}
	if z.Masters = newer; len(newer) == 0 {
		z.Masters = old
	}
	return z, nil
}

// parseIP4Array reads an IP4_ARRAY ([MS-DNSP] 2.2.3.2.1): a count and addresses in network byte order.
func parseIP4Array(b []byte) ([]netip.Addr, error) {
	if len(b) < 4 {
		return nil, errors.New("adpreflight: IP4_ARRAY: fewer than 4 bytes")
	}
	n := binary.LittleEndian.Uint32(b)
	if uint64(n)*4 > uint64(len(b)-4) {
		return nil, fmt.Errorf("adpreflight: IP4_ARRAY: %d addresses do not fit in %d bytes", n, len(b))
	}
	var out []netip.Addr
	for at := 4; n > 0; at, n = at+4, n-1 {
		out = append(out, netip.AddrFrom4([4]byte(b[at:at+4])))
	}
	return out, nil
}

// parseAddrArray reads a DNS_ADDR_ARRAY ([MS-DNSP] 2.2.3.2.3): a header of 32 bytes and DNS_ADDR entries of 64, each
// beginning with a socket address.
func parseAddrArray(b []byte) ([]netip.Addr, error) {
	const header, size = 32, 64
	if len(b) < header {
		return nil, fmt.Errorf("adpreflight: DNS_ADDR_ARRAY: fewer than %d bytes", header)
	}
	n := binary.LittleEndian.Uint32(b[4:]) // AddrCount; MaxCount precedes it
	if uint64(n)*size > uint64(len(b)-header) {
		return nil, fmt.Errorf("adpreflight: DNS_ADDR_ARRAY: %d addresses do not fit in %d bytes", n, len(b))
	}
	var out []netip.Addr
	for at := header; n > 0; at, n = at+size, n-1 {
		switch family := binary.LittleEndian.Uint16(b[at:]); family {
		case 2: // AF_INET: family, port, address
			out = append(out, netip.AddrFrom4([4]byte(b[at+4:at+8])))
		case 23: // AF_INET6: family, port, flow information, address
			out = append(out, netip.AddrFrom16([16]byte(b[at+8:at+24])).Unmap())
		default:
			return nil, fmt.Errorf("adpreflight: DNS_ADDR_ARRAY at offset %d: address family %d", at, family)
		}
	}
	return out, nil
}
