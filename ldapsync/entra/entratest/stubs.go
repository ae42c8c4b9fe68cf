package entratest

type tenant struct{}

func (s *Server) extensionKnown(string) bool { return false }
func (s *Server) checkExtension(w write, name string, v any) *answer {
	return fail(400, codeRequest, "The following extension properties are not available: %s.", name)
}
func (s *Server) directoryResource(c *call, rest []segment) *answer    { return missing("x") }
func (s *Server) application(c *call, rest []segment) *answer          { return missing("x") }
func (s *Server) servicePrincipal(c *call, rest []segment) *answer     { return missing("x") }
func (s *Server) auditLog(c *call, rest []segment) *answer             { return missing("x") }
func (s *Server) deviceManagement(c *call, rest []segment) *answer     { return missing("x") }
func (s *Server) organizationResource(c *call, rest []segment) *answer { return missing("x") }
func (r *Request) isUpload() bool                                      { return false }
