package ndes

import (
	"bytes"
	"encoding/hex"
	"errors"
	"html"
	"mime"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/unicode"

	"go.internal/hybridkit/scepclient"
)

// Errors of the password page. Every load of the page takes one slot of a cache of five by default.
var (
	ErrCacheFull    = errors.New("ndes: the password cache is full: wait until a password expires (60 minutes by default), or raise PasswordMax")
	ErrNoPermission = errors.New("ndes: the account may not request passwords: it needs Enroll on the templates NDES is set to")
	ErrNoChallenge  = errors.New("ndes: the page shows no challenge password (EnforcePassword may be 0, or the page is another one)")
	ErrNotNDES      = errors.New("ndes: not the NDES password page")
)

// maxPage is the largest page read, in bytes; the real one has two kilobytes.
const maxPage = 1 << 20

// A Page is the password page of NDES.
type Page struct {
	Challenge scepclient.Secret
	// OneTime says that the password is good for one request. It is true as well when the page does not say,
	// as on a Windows in another language: the safe assumption.
	OneTime bool
	// Validity is how long the password lasts, 0 if it does not expire or the page does not say.
	Validity time.Duration
	// Thumbprint is the hash of the CA certificate as shown: MD5 or SHA-1, in upper-case hex without blanks. It
	// is too weak for a pin; compare it by eye with the CA's.
	Thumbprint string
}

var (
	boldText    = regexp.MustCompile(`(?is)<b>(.*?)</b>`)
	tags        = regexp.MustCompile(`(?s)<[^>]*>`)
	minutesText = regexp.MustCompile(`(?i)(\d{1,6})\s+minutes`)
	hexDigits   = regexp.MustCompile(`^[0-9A-Fa-f]+$`)
)

// ParsePage reads the page in UTF-16 LE or BE, with or without byte order mark, UTF-8, or windows-1252, whatever
// its Content-Type and its META element claim. Errors are ErrCacheFull, ErrNoPermission, ErrNoChallenge and
// ErrNotNDES, and none holds text of the page.
func ParsePage(body []byte, contentType string) (*Page, error) {
	if len(body) == 0 || len(body) > maxPage {
		return nil, ErrNotNDES
	}
	text := decode(body, contentType)
	plain := strings.Join(strings.Fields(html.UnescapeString(tags.ReplaceAllString(text, " "))), " ")
	lower := strings.ToLower(plain)
	switch {
	case strings.Contains(lower, "password cache is full"):
		return nil, ErrCacheFull
	case strings.Contains(lower, "do not have sufficient permission"):
		return nil, ErrNoPermission
	}
	var values []string
	for _, m := range boldText.FindAllStringSubmatch(text, 32) {
		v := strings.Join(strings.Fields(html.UnescapeString(tags.ReplaceAllString(m[1], ""))), "")
		if len(v) >= 4 && hexDigits.MatchString(v) {
			values = append(values, v)
		}
	}
	p := &Page{OneTime: !strings.Contains(lower, "can be used multiple times")}
	if m := minutesText.FindStringSubmatch(plain); m != nil && p.OneTime {
		n, _ := strconv.Atoi(m[1]) // at most six digits
		p.Validity = time.Duration(n) * time.Minute
	}
	// The thumbprint comes before the password; its length is that of a hash.
	if len(values) > 0 && isHash(values[0]) && (len(values) > 1 || !strings.Contains(lower, "challenge password is")) {
		p.Thumbprint = strings.ToUpper(values[0])
		values = values[1:]
	}
	if p.Thumbprint == "" && !strings.Contains(lower, "network device enrollment service") && !strings.Contains(lower, "challenge password") {
		return nil, ErrNotNDES
	}
	if len(values) == 0 {
		return nil, ErrNoChallenge
	}
	p.Challenge = scepclient.NewSecret(values[len(values)-1])
	return p, nil
}

func isHash(s string) bool {
	b, err := hex.DecodeString(s)
	return err == nil && (len(b) == 16 || len(b) == 20 || len(b) == 32)
}

// decode turns the page into UTF-8. The bytes decide, then the Content-Type.
func decode(b []byte, contentType string) string {
	zerosAt := func(odd int) (n int) {
		for i := odd; i < min(len(b), 512); i += 2 {
			if b[i] == 0 {
				n++
			}
		}
		return n
	}
	half := min(len(b), 512) / 4
	var end unicode.Endianness
	switch {
	case bytes.HasPrefix(b, []byte{0xff, 0xfe}), zerosAt(1) > half:
		end = unicode.LittleEndian
	case bytes.HasPrefix(b, []byte{0xfe, 0xff}), zerosAt(0) > half:
		end = unicode.BigEndian
	default:
		_, params, _ := mime.ParseMediaType(contentType)
		if !utf8.Valid(b) || strings.EqualFold(params["charset"], "windows-1252") {
			out, err := charmap.Windows1252.NewDecoder().Bytes(b)
			if err == nil {
				return string(out)
			}
		}
		return string(bytes.TrimPrefix(b, []byte("\xef\xbb\xbf")))
	}
	out, err := unicode.UTF16(end, unicode.UseBOM).NewDecoder().Bytes(b)
	if err != nil {
		return ""
	}
	return string(out)
}
