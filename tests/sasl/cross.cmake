# Against other makes: the stock plugins, and GNU SASL. Skipped by name where those are not installed.
pkg_check_modules(GSASL QUIET IMPORTED_TARGET libgsasl)
sasl_test(gsasl)
if(GSASL_FOUND)
    target_link_libraries(sasl_test_gsasl PRIVATE PkgConfig::GSASL)
    target_compile_definitions(sasl_test_gsasl PRIVATE HAVE_GSASL)
    sasl_test(digest_gsasl) # with its security layer
    target_link_libraries(sasl_test_digest_gsasl PRIVATE PkgConfig::GSASL)
endif()
set_tests_properties(sasl-gsasl PROPERTIES SKIP_RETURN_CODE 77)

foreach(name stock flags)
    sasl_test(${name})
    set_tests_properties(sasl-${name} PROPERTIES SKIP_RETURN_CODE 77)
endforeach()
