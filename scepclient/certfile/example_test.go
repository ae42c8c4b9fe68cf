package certfile_test

import (
	"fmt"
	"os"
	"path/filepath"

	"go.internal/hybridkit/scepclient/certfile"
)

func ExampleWriteKey() {
	dir, err := os.MkdirTemp("", "keys")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	key, err := certfile.GenerateRSA(2048)
	if err == nil {
		err = certfile.WriteKey(filepath.Join(dir, "key.pem"), key)
	}
	fmt.Println(err)
	// Output: <nil>
}
