"""The address and the phone by which an account is recovered when its second factors are lost."""
