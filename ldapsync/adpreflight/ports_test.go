package adpreflight_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"go.internal/hybridkit/ldapsync/adpreflight"
)

func state(t *testing.T, r adpreflight.Report, id string) adpreflight.Check {
	c, ok := r.Get(id)
	require.True(t, ok, id)
	return c
}

// What can be tried depends on where it is tried from, and what cannot is never a pass.
func TestVantage(t *testing.T) {
	for _, c := range []struct {
		vantage adpreflight.Vantage
		out, in adpreflight.State
	}{
		{adpreflight.Elsewhere, adpreflight.NotTried, adpreflight.NotTried},
		{adpreflight.FromOrganisation, adpreflight.Pass, adpreflight.NotTried},
		{adpreflight.FromService, adpreflight.NotTried, adpreflight.Pass},
	} {
		e := newEstate(t)
		e.cfg.Vantage, e.cfg.Directory = c.vantage, nil
		r := e.run(t)
		for _, id := range []string{"ldap", "dns", "gc", "kerberos", "rpc", "smb"} {
			require.Equal(t, c.out, state(t, r, "ports."+id+".out").State, "%v %s", c.vantage, id)
			require.Equal(t, c.in, state(t, r, "ports."+id+".in").State, "%v %s", c.vantage, id)
		}
		for _, id := range []string{"ports.rpc-dynamic.out", "ports.rpc-dynamic.in"} {
			require.Equal(t, adpreflight.NotTried, state(t, r, id).State)
		}
		text, err := c.vantage.MarshalText()
		require.NoError(t, err)
		var back adpreflight.Vantage
		require.NoError(t, back.UnmarshalText(text))
		require.Equal(t, c.vantage, back)
	}
}

func TestFromServicePortClosed(t *testing.T) {
	e := newEstate(t)
	e.cfg.Vantage = adpreflight.FromService
	delete(e.net.tcp, edgeIP+":88")
	c := state(t, e.run(t), "ports.kerberos.in")
	require.Equal(t, adpreflight.Fail, c.State)
	require.Contains(t, c.Details, edgeIP+":88 TCP: no answer in 3s")
}

// A host that does not listen: a refusal shows that it was reached, silence shows nothing.
func TestHostThatOnlyConnects(t *testing.T) {
	e := newEstate(t)
	e.net.tcp["192.168.88.11:389"] = adpreflight.ErrRefused
	c := state(t, e.run(t), "ports.ldap.out")
	require.Equal(t, adpreflight.Pass, c.State)
	require.Contains(t, c.Details, "192.168.88.11:389 TCP: refused: the host was reached")
	require.Contains(t, c.Evidence, "3 attempts of 4")

	e.net.tcp["198.51.100.253:389"] = adpreflight.ErrRefused
	c = state(t, e.run(t), "ports.ldap.out")
	require.Contains(t, c.Evidence, "2 attempts of 4")
	require.Contains(t, c.Details, "192.168.88.11:389 TCP: refused, which proves nothing: something on the way refuses for everyone")
	delete(e.net.tcp, "198.51.100.253:389")

	e.cfg.Service.Ports[0].Hosts = []string{"192.168.88.11"}
	delete(e.net.tcp, "192.168.88.11:389")
	require.Equal(t, adpreflight.NotTried, state(t, e.run(t), "ports.ldap.out").State)
}

// The guide's own tables contradict each other about the second site.
func TestGuideRoutes(t *testing.T) {
	r, err := adpreflight.Run(t.Context(), adpreflight.Config{Service: adpreflight.OperationsGuide()})
	require.NoError(t, err)
	c := state(t, r, "lint.routes")
	require.Equal(t, adpreflight.Warning, c.State)
	require.Len(t, c.Details, 2)
	for _, c := range r.Checks {
		if c.ID != "lint.routes" {
			require.Contains(t, []adpreflight.State{adpreflight.NotTried, adpreflight.NotApplicable}, c.State, "%s: nothing was looked at", c.ID)
		}
	}
}

// A proxy that accepts every connection makes every port look open.
func TestInterceptedConnections(t *testing.T) {
	for vantage, direction := range map[adpreflight.Vantage]string{adpreflight.FromOrganisation: "out", adpreflight.FromService: "in"} {
		e := newEstate(t)
		e.cfg.Vantage = vantage
		e.net.tcp["198.51.100.253:88"] = nil
		r := e.run(t)
		c := state(t, r, "ports.kerberos."+direction)
		require.Equal(t, adpreflight.NotTried, c.State)
		require.Contains(t, c.Evidence, "198.51.100.253:88 TCP: open")
		require.Equal(t, adpreflight.Pass, state(t, r, "ports.smb."+direction).State)
		e.net.names["198.51.100.253:53"] = nil
		require.Equal(t, adpreflight.NotTried, state(t, e.run(t), "ports.dns."+direction).State, "any DNS answer is an answer")
	}
}
