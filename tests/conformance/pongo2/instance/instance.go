// Package instance has the type of the variable "trigger": a defined string type, which shows when it is compared.
package instance

// TemplateTrigger is what made a template run.
type TemplateTrigger string
