// Command gorender renders a template many times with the real pongo2, as the daemons do: parsed anew each time.
//
// One JSON object comes in (template, times, and the maps instance, config, devices, properties); what comes out is the
// last output and, on a line of its own before it, the microseconds of CPU time that one rendering took.
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"syscall"

	"github.com/flosch/pongo2"
)

type request struct {
	Template   string                       `json:"template"`
	Times      int                          `json:"times"`
	Instance   map[string]string            `json:"instance"`
	Config     map[string]string            `json:"config"`
	Devices    map[string]map[string]string `json:"devices"`
	Properties map[string]string            `json:"properties"`
}

func (asked request) render() string {
	set := pongo2.NewSet("bench", pongo2.MustNewLocalFileSystemLoader(""))
	template := pongo2.Must(set.FromString("{% autoescape off %}" + asked.Template + "{% endautoescape %}"))
	output, err := template.Execute(pongo2.Context{
		"trigger":    "create",
		"path":       "/etc/hostname",
		"instance":   asked.Instance,
		"container":  asked.Instance,
		"config":     asked.Config,
		"devices":    asked.Devices,
		"properties": asked.Properties,
		"config_get": func(key, fallback *pongo2.Value) *pongo2.Value {
			if value, found := asked.Config[key.String()]; found {
				return pongo2.AsValue(strings.TrimRight(value, "\r\n"))
			}
			return fallback
		},
	})
	if err != nil {
		panic(err)
	}
	return output
}

func used() int64 {
	usage := syscall.Rusage{}
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		panic(err)
	}
	return (usage.Utime.Nano() + usage.Stime.Nano()) / 1000
}

func main() {
	asked := request{}
	if err := json.NewDecoder(os.Stdin).Decode(&asked); err != nil {
		panic(err)
	}
	output := asked.render()
	start := used()
	for count := 0; count < asked.Times; count++ {
		output = asked.render()
	}
	fmt.Printf("%.2f\n%s", float64(used()-start)/float64(asked.Times), output)
}
