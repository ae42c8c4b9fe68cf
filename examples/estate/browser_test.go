package main

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"image/png"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A browser is a headless Chromium that is spoken to over a pipe, with the DevTools protocol.
type browser struct {
	t       *testing.T
	in      *os.File
	out     *bufio.Reader
	id      int
	session string
	faults  []string // what the console said of errors, and requests beyond the page
}

func startBrowser(t *testing.T, path string) *browser {
	t.Helper()
	toR, toW, err := os.Pipe()
	require.NoError(t, err)
	fromR, fromW, err := os.Pipe()
	require.NoError(t, err)
	// Its helpers write to the profile for a moment after it has ended: the folder is removed when they are through.
	profile, err := os.MkdirTemp("", "estate-browser-")
	require.NoError(t, err)
	cmd := exec.Command(path, "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run", "--window-size=1280,900",
		"--remote-debugging-pipe", "--user-data-dir="+profile, "about:blank")
	cmd.ExtraFiles = []*os.File{toR, fromW}
	cmd.WaitDelay = 5 * time.Second
	require.NoError(t, cmd.Start())
	toR.Close()
	fromW.Close()
	t.Cleanup(func() {
		_, _ = toW.Write([]byte(`{"id":1000000,"method":"Browser.close"}` + "\x00"))
		kill := time.AfterFunc(10*time.Second, func() { cmd.Process.Kill() })
		go io.Copy(io.Discard, fromR)
		cmd.Wait()
		kill.Stop()
		toW.Close()
		fromR.Close()
		require.Eventually(t, func() bool { return os.RemoveAll(profile) == nil }, 20*time.Second, 50*time.Millisecond, "the profile of the browser stays")
	})
	b := &browser{t: t, in: toW, out: bufio.NewReaderSize(fromR, 1<<20)}
	var target struct{ TargetID string }
	b.call("Target.createTarget", map[string]any{"url": "about:blank"}, &target)
	var attached struct{ SessionID string }
	b.call("Target.attachToTarget", map[string]any{"targetId": target.TargetID, "flatten": true}, &attached)
	b.session = attached.SessionID
	for _, domain := range []string{"Runtime", "Log", "Page", "Network"} {
		b.call(domain+".enable", nil, nil)
	}
	return b
}

// call sends a command and waits for its answer; events on the way are looked at.
func (b *browser) call(method string, params map[string]any, into any) {
	b.t.Helper()
	b.id++
	msg := map[string]any{"id": b.id, "method": method}
	if params != nil {
		msg["params"] = params
	}
	if b.session != "" {
		msg["sessionId"] = b.session
	}
	text, err := json.Marshal(msg)
	require.NoError(b.t, err)
	_, err = b.in.Write(append(text, 0))
	require.NoError(b.t, err)
	for {
		answer, err := b.out.ReadBytes(0)
		require.NoError(b.t, err, method)
		var m struct {
			ID     int
			Method string
			Params json.RawMessage
			Result json.RawMessage
			Error  *struct{ Message string }
		}
		require.NoError(b.t, json.Unmarshal(answer[:len(answer)-1], &m))
		if m.ID == b.id {
			require.Nil(b.t, m.Error, method)
			if into != nil {
				require.NoError(b.t, json.Unmarshal(m.Result, into))
			}
			return
		}
		b.event(m.Method, m.Params)
	}
}

func (b *browser) event(method string, params json.RawMessage) {
	var p struct {
		Type    string
		Entry   struct{ Level, Text string }
		Request struct {
			URL string `json:"url"`
		}
	}
	_ = json.Unmarshal(params, &p)
	switch {
	case method == "Runtime.exceptionThrown", method == "Runtime.consoleAPICalled" && p.Type == "error", method == "Log.entryAdded" && p.Entry.Level == "error":
		b.faults = append(b.faults, fmt.Sprintf("%s %s", method, params))
	case method == "Network.requestWillBeSent" && !strings.HasPrefix(p.Request.URL, "file:") && !strings.HasPrefix(p.Request.URL, "data:") && !strings.HasPrefix(p.Request.URL, "about:") && !strings.HasPrefix(p.Request.URL, "blob:"):
		b.faults = append(b.faults, "request to "+p.Request.URL)
	}
}

// eval runs JavaScript and returns its value.
func (b *browser) eval(js string) any {
	b.t.Helper()
	var r struct {
		Result           struct{ Value any }
		ExceptionDetails any
	}
	b.call("Runtime.evaluate", map[string]any{"expression": js, "returnByValue": true, "awaitPromise": true}, &r)
	require.Nil(b.t, r.ExceptionDetails, js)
	return r.Result.Value
}

// shot takes a screenshot and returns its mean brightness, 0 to 1.
func (b *browser) shot(file string) float64 {
	b.t.Helper()
	var r struct{ Data string }
	b.call("Page.captureScreenshot", map[string]any{"format": "png"}, &r)
	raw, err := base64.StdEncoding.DecodeString(r.Data)
	require.NoError(b.t, err)
	require.NoError(b.t, os.WriteFile(file, raw, 0o666))
	img, err := png.Decode(bytes.NewReader(raw))
	require.NoError(b.t, err)
	sum, n, colours := 0.0, 0, map[[3]uint32]bool{}
	for y := 0; y < img.Bounds().Dy(); y += 3 {
		for x := 0; x < img.Bounds().Dx(); x += 3 {
			cr, cg, cb, _ := img.At(x, y).RGBA()
			colours[[3]uint32{cr, cg, cb}] = true
			sum += float64(cr+cg+cb) / 3 / 0xffff
			n++
		}
	}
	require.Greater(b.t, len(colours), 20, "there is something to see")
	return sum / float64(n)
}

// TestBrowser opens the page of 100,000 devices in Chromium, filters, drills down, exports, and looks at both themes.
func TestBrowser(t *testing.T) {
	path := os.Getenv("ESTATE_CHROMIUM")
	if path == "" {
		t.Skip("ESTATE_CHROMIUM does not name a Chromium; .ci/run does this with Debian's")
	}
	shots := os.Getenv("ESTATE_SHOTS")
	if shots == "" {
		shots = t.TempDir()
	}
	page := filepath.Join(t.TempDir(), "e.html")
	code, _, errs := estateOf(t, "demo", "-devices", "100000", "-html", page)
	require.Equal(t, exitErrors, code, errs)
	b := startBrowser(t, path)
	b.call("Page.navigate", map[string]any{"url": "file://" + page}, nil)
	deadline := time.Now().Add(time.Minute)
	for b.eval("document.documentElement && document.documentElement.dataset.ready || ''") != "100000" {
		require.True(t, time.Now().Before(deadline), "the page does not get ready")
		time.Sleep(20 * time.Millisecond)
	}
	shown := func() string { return b.eval("document.getElementById('shown').textContent").(string) }
	ms := b.eval("new Promise(done => requestAnimationFrame(() => setTimeout(() => done(performance.now()))))").(float64)
	t.Logf("the page of 100,000 devices was shown after %.0f ms", ms)
	require.Equal(t, "100,000 of 100,000 devices, the first 200", shown())
	require.EqualValues(t, 200, b.eval("document.querySelectorAll('#rows tr').length"))

	b.eval("document.getElementById('search').value = 'av-pc-0000'; document.getElementById('search').dispatchEvent(new Event('input'))")
	require.Equal(t, "99 of 100,000 devices", shown())
	b.eval("document.getElementById('clear').click()")
	require.Equal(t, "100,000 of 100,000 devices, the first 200", shown())

	b.eval("[...document.querySelectorAll('#findings button')].find(x => x.textContent.startsWith('device-disabled-or-deleted')).click()")
	count := b.eval("[...document.querySelectorAll('#findings button')].find(x => x.getAttribute('aria-pressed') === 'true').querySelector('.num').textContent").(string)
	require.Equal(t, count+" of 100,000 devices, the first 200", shown(), "the count of the bar is the count of the list")
	require.Equal(t, true, b.eval("[...document.querySelectorAll('#rows tr')].every(tr => tr.children[3].textContent.includes('device-disabled-or-deleted'))"))
	b.eval("document.querySelector('#workloads button[aria-label^=\"compliance, unknown\"]').click()")
	require.Contains(t, shown(), "of 100,000 devices")
	b.eval("document.querySelector('#rows tr').dispatchEvent(new KeyboardEvent('keydown', { key: 'Enter', bubbles: true }))")
	require.Equal(t, true, b.eval("document.getElementById('detail').open"))
	require.Contains(t, b.eval("document.getElementById('d-body').textContent"), "The device object is disabled or deleted")
	require.Equal(t, false, b.eval("document.getElementById('d-close').click(), document.getElementById('detail').open"))
	require.Equal(t, true, b.eval(`(() => { let got; const real = URL.createObjectURL; URL.createObjectURL = x => { got = x; return real(x); };
		document.getElementById('csv').click(); URL.createObjectURL = real; return got && got.size > 10000; })()`))
	require.EqualValues(t, 400, b.eval("document.getElementById('more').click(), document.querySelectorAll('#rows tr').length"))
	require.EqualValues(t, 0, b.eval("[...document.querySelectorAll('button, input, select')].filter(e => !(e.textContent.trim() || e.getAttribute('aria-label'))).length"), "every control has a name")

	b.eval("document.getElementById('clear').click()")
	b.eval("document.documentElement.dataset.theme === 'light' || document.getElementById('theme').click()")
	light := b.shot(filepath.Join(shots, "light.png"))
	b.eval("document.getElementById('theme').click()")
	dark := b.shot(filepath.Join(shots, "dark.png"))
	require.Greater(t, light, 0.8)
	require.Less(t, dark, 0.3)
	require.Empty(t, b.faults, "no error on the console, no request")
	if limit := os.Getenv("ESTATE_LIMIT_MS"); limit != "" {
		var n float64
		_, err := fmt.Sscan(limit, &n)
		require.NoError(t, err)
		require.Less(t, ms, n)
	}
}
